# ruff: noqa: E501 - lines of programs, as they say them
"""Which words mean what. Those that were not heard from a real program say so in their name."""

import pytest

from lab.provision.diagnosis import RULES, Kind, diagnose, redact

# From the sources that the rules name; with addresses and hashes as they would be.
KUBEADM = {
    Kind.WRONG_TOKEN: 'error execution phase preflight: couldn\'t validate the identity of the API Server: could not find a JWS signature in the cluster-info ConfigMap for token ID "abcdef"',
    Kind.CA_MISMATCH: 'cluster CA found in cluster-info ConfigMap is invalid: none of the public keys "sha256:00" are pinned',
    Kind.API_BLOCKED: 'Get "https://10.77.0.11:6443/api/v1/namespaces/kube-public/configmaps/cluster-info?timeout=10s": dial tcp 10.77.0.11:6443: connect: connection refused',
    Kind.CLOCK_SKEW: "x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2026-11-25T00:00:00Z",
}
K3S = {
    Kind.WRONG_TOKEN: "Waiting to retrieve agent configuration; server is not ready: https://10.77.0.11:6443/v1-k3s/config: not authorized",
    Kind.CA_MISMATCH: "token CA hash does not match the Cluster CA certificate hash: 00 != 11",
    Kind.PASSWORD_REJECTED: "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server node-passwd entry",
    Kind.LEARNER_LIMIT: "etcdserver: too many learner members in cluster",
    Kind.OTHER_VALUES: "critical configuration value mismatch between servers: cluster-cidr",
    Kind.OTHER_DATA: "bootstrap data already found and encrypted with different token",
    Kind.UNKNOWN_KEY: "Incorrect Usage: flag provided but not defined: -tls-sna",
    Kind.READ_ONLY_SYSCTL: "Failed to start ContainerManager: open /proc/sys/kernel/panic: read-only file system",
    Kind.DISK_FULL: "write /var/lib/rancher/k3s/data: no space left on device",
}


@pytest.mark.parametrize("kind", KUBEADM)
def test_from_lines_in_kubeadms_source_the_cause_is_named(kind: Kind) -> None:
    found = diagnose(f"some output\n{KUBEADM[kind]}\nmore")

    assert found
    assert (found.kind, found.line) == (kind, KUBEADM[kind])
    assert found.remedy


@pytest.mark.parametrize("kind", K3S)
def test_from_documented_lines_of_k3s_the_cause_is_named(kind: Kind) -> None:
    found = diagnose(f'time="..." level=info msg="{K3S[kind]}"')

    assert found
    assert found.kind == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "all is well",
        "the token was accepted",
        "dial tcp 10.77.0.11:22: connect: connection refused",
        "certificate is valid",
    ],
)
def test_what_nobody_knows_is_not_guessed(text: str) -> None:
    assert diagnose(text) is None


def test_every_rule_says_where_its_words_come_from_and_what_to_do() -> None:
    assert all(rule.source and rule.remedy for rule in RULES)


def test_a_cause_is_told_without_the_token_it_came_with() -> None:
    token = "K10" + "0" * 64 + "::node:s3cret"
    bootstrap = "abcdef.0123456789abcdef"

    found = diagnose(f"{token} and {bootstrap}: not authorized")

    assert found
    assert "s3cret" not in found.text()
    assert bootstrap not in found.text()
    assert redact("a.b") == "a.b"
