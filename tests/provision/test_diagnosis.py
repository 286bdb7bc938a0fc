# ruff: noqa: E501 - lines of programs, as they say them
"""Which words mean what. A test's name says whether they were heard, read in a source, or reported."""

import pytest

from lab.provision.diagnosis import (
    RULES,
    Diagnosis,
    Facts,
    Failure,
    Kind,
    Proof,
    diagnose,
    redact,
    tell,
)

SERVER = "10.77.0.11"

# Heard from kubeadm v1.36 on real nodes (tests/e2e/test_lab_three_servers.py), or lab's own.
HEARD = [
    (
        Kind.WRONG_TOKEN,
        "kubeadm",
        'error execution phase preflight: couldn\'t validate the identity of the API Server: could not find a JWS signature in the cluster-info ConfigMap for token ID "abcdef"',
    ),
    (
        Kind.CA_MISMATCH,
        "kubeadm",
        'error execution phase preflight: couldn\'t validate the identity of the API Server: cluster CA found in cluster-info ConfigMap is invalid: none of the public keys "sha256:00" are pinned',
    ),
    (
        Kind.API_BLOCKED,
        "kubeadm",
        'error execution phase preflight: couldn\'t validate the identity of the API Server: failed to request the cluster-info ConfigMap: Get "https://10.77.0.12:6443/api/v1/namespaces/kube-public/configmaps/cluster-info?timeout=10s": dial tcp 10.77.0.12:6443: connect: connection refused',
    ),
    # On a host that was too slow; the API's own address is no way that is blocked.
    (
        Kind.NOT_READY,
        "kubeadm",
        'error execution phase wait-control-plane: failed while waiting for the control plane to start: kube-apiserver check failed at https://10.88.0.11:6443/livez: Get "https://10.88.0.11:6443/livez?timeout=10s": context deadline exceeded',
    ),
    (
        Kind.FOREIGN,
        "k3s",
        "there is a k3s that lab did not put here: /etc/systemd/system/k3s.service; remove it, or adopt it",
    ),
    (
        Kind.API_BLOCKED,
        "k3s",
        f"the API of {SERVER} cannot be reached: port 6443 is blocked, or nothing listens there",
    ),
    (Kind.CA_MISMATCH, "k3s", f"{SERVER} answers with another CA: 00, expected 11"),
]
# From kubeadm, kubelet, etcd and Go, as their sources format them.
READ = [
    (
        Kind.NO_POD_NETWORK,
        "kubeadm",
        "n2 is not Ready (KubeletNotReady: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized)",
    ),
    (
        Kind.DISK_PRESSURE,
        "kubeadm",
        "Pod was rejected: The node had condition: [DiskPressure MemoryPressure].",
    ),
    (
        Kind.WRONG_TOKEN,
        "kubeadm",
        'token id "abcdef" is invalid for this cluster or it has expired. Use "kubeadm token create" on the control-plane node to create a new valid token',
    ),
    (
        Kind.WRONG_TOKEN,
        "kubeadm",
        "failed to verify JWS signature of received cluster info object, can't trust this API Server",
    ),
    (
        Kind.NAME_TAKEN,
        "kubeadm",
        'error execution phase kubelet-start: a Node with name "n2" and status "Ready" already exists in the cluster. You must delete the existing Node or change the name of this new joining Node',
    ),
    (
        Kind.API_BLOCKED,
        "kubeadm",
        'Get "https://lab-api:6443/api/v1": dial tcp 10.77.0.11:6443: i/o timeout',
    ),
    (
        Kind.API_BLOCKED,
        "kubeadm",
        'Get "https://lab-api:6443/api/v1": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    ),
    (
        Kind.CLOCK_SKEW,
        "kubeadm",
        'Get "https://10.77.0.11:6443/": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2026-11-25T00:00:00Z',
    ),
    (
        Kind.CLOCK_SKEW,
        "k3s",
        '{"level":"warn","msg":"prober found high clock drift","remote-peer-id":"8211f1d0f64f3269","clock-drift":"1m3.2s"}',
    ),
    (
        Kind.CA_MISMATCH,
        "kubeadm",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    ),
    (
        Kind.FOREIGN,
        "kubeadm",
        "\t[ERROR FileAvailable--etc-kubernetes-kubelet.conf]: /etc/kubernetes/kubelet.conf already exists",
    ),
    (
        Kind.FOREIGN,
        "kubeadm",
        "\t[ERROR DirAvailable--var-lib-etcd]: /var/lib/etcd is not empty",
    ),
    (Kind.LEARNER_LIMIT, "kubeadm", "etcdserver: too many learner members in cluster"),
    (
        Kind.LEARNER_LIMIT,
        "kubeadm",
        "etcdserver: can only promote a learner member which is in sync with leader",
    ),
    (Kind.DISK_PRESSURE, "k3s", "write /var/lib/rancher/k3s/data: no space left on device"),
    (
        Kind.DISK_PRESSURE,
        "kubeadm",
        'I1125 eviction_manager.go:392] "Eviction manager: must evict pod(s) to reclaim" resourceName="ephemeral-storage"',
    ),
    (Kind.DISK_PRESSURE, "k3s", "conditions: MemoryPressure=False DiskPressure=True Ready=True"),
    (
        Kind.READ_ONLY_SYSCTL,
        "k3s",
        'E0929 kubelet.go:1556] "Failed to start ContainerManager" err="[open /proc/sys/kernel/panic: read-only file system, open /proc/sys/kernel/panic_on_oops: read-only file system]"',
    ),
    (
        Kind.READ_ONLY_SYSCTL,
        "kubeadm",
        '"Failed to start ContainerManager" err="open /proc/sys/vm/overcommit_memory: permission denied"',
    ),
    (
        Kind.NOT_READY,
        "kubeadm",
        "[kubelet-check] The kubelet is not healthy after 4m0.00s",
    ),
    (Kind.NOT_READY, "kubeadm", "failed while waiting for the control plane to start"),
    (Kind.NOT_READY, "k3s", "k3s on n1: not ready within 180 s"),
]
# From stored versions of k3s' source, of no one release; no k3s was heard to say them.
READ_OF_K3S = [
    (
        Kind.CA_MISMATCH,
        "Failed to validate connection to cluster at https://10.77.0.11:6443: token CA hash does not match the Cluster CA certificate hash: 00 != 11",
    ),
    (
        Kind.WRONG_TOKEN,
        "Failed to validate connection to cluster at https://10.77.0.11:6443: invalid token CA hash length",
    ),
    (
        Kind.PASSWORD_REJECTED,
        "Waiting to retrieve agent configuration; server is not ready: Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag",
    ),
    (
        Kind.LEARNER_LIMIT,
        "Waiting for other members to finish joining etcd cluster: etcdserver: too many learner members in cluster",
    ),
    (Kind.OTHER_VALUES, "critical configuration value mismatch between servers"),
    (Kind.OTHER_VALUES, "critical configuration mismatched: cluster-cidr"),
    (Kind.OTHER_DATA, "bootstrap data already found and encrypted with different token"),
    (Kind.UNKNOWN_KEY, "Incorrect Usage: flag provided but not defined: -tls-sna"),
    (Kind.UNKNOWN_KEY, r"Unknown flag --tls-sna found in config.yaml, skipping\n"),
    (
        Kind.NAME_TAKEN,
        "etcd cluster join failed: duplicate node name found, please use a unique name for this node",
    ),
    # As older releases say it.
    (
        Kind.NAME_TAKEN,
        "ETCD join failed: duplicate node name found, please use a unique name for this node",
    ),
    (
        Kind.NO_POD_NETWORK,
        "Container runtime network not ready: Network plugin returns error: cni plugin not initialized",
    ),
    (
        Kind.NOT_READY,
        "Waiting to retrieve agent configuration; server is not ready: https://127.0.0.1:6444/v1-k3s/serving-kubelet.crt: 503 Service Unavailable",
    ),
]
# Only in what others wrote down of a k3s.
REPORTED_OF_K3S = [
    (
        Kind.WRONG_TOKEN,
        "Waiting to retrieve agent configuration; server is not ready: failed to retrieve configuration from server: not authorized",
    ),
    (
        Kind.WRONG_TOKEN,
        "failed to retrieve configuration from server: https://127.0.0.1:6444/v1-k3s/config: 401 Unauthorized",
    ),
    (
        Kind.API_BLOCKED,
        'failed to get CA certs: Get \\"https://127.0.0.1:6444/cacerts\\": read tcp 127.0.0.1:39534->127.0.0.1:6444: read: connection reset by peer',
    ),
    (
        Kind.API_BLOCKED,
        'failed to get CA certs: Get \\"https://127.0.0.1:6444/cacerts\\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    ),
    (
        Kind.API_BLOCKED,
        'failed to validate token: failed to get CA certs: Get \\"https://192.168.122.89:6443/cacerts\\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    ),
]
LOAD_BALANCER = 'level=info msg="Running load balancer k3s-agent-load-balancer 127.0.0.1:6444 -> [{}:6443] [default: 10.77.0.11:6443]"'
LOAD_BALANCER_FILE = (
    '{{\n  "ServerURL": "https://10.77.0.11:6443",\n  "ServerAddresses": [\n    "{}:6443"\n  ]\n}}'
)
CUT = "the network did not become ready within 60 s: n1 cannot reach http://10.42.1.5:8080/name (n2): timed out"
MUTE = "n1 cannot reach http://10.42.0.5:8080/name (n1): timed out; n1 cannot reach http://10.42.1.5:8080/name (n2): timed out"
CONDITIONS = "MemoryPressure=False DiskPressure=False PIDPressure=False Ready=False"
EXPIRED = "x509: certificate has expired or is not yet valid: current time 2026-11-25T00:00:00Z is after 2026-01-01T00:00:00Z"


def found(text: str, distribution: str = "k3s", facts: Facts | None = None) -> Diagnosis:
    told = diagnose(text, node="n2", distribution=distribution, facts=facts)
    assert told, text
    return told


@pytest.mark.parametrize(("kind", "distribution", "line"), HEARD)
def test_from_lines_that_were_heard_the_cause_is_named(
    kind: Kind, distribution: str, line: str
) -> None:
    assert found(f"some output\n{line}\nmore", distribution).kind == kind


@pytest.mark.parametrize(("kind", "distribution", "line"), READ)
def test_from_lines_in_the_sources_of_kubernetes_the_cause_is_named(
    kind: Kind, distribution: str, line: str
) -> None:
    told = found(f"some output\n{line}\nmore", distribution)

    assert (told.kind, told.line) == (kind, line.strip())


@pytest.mark.parametrize(("kind", "line"), READ_OF_K3S)
def test_from_lines_in_k3s_source_the_cause_is_named(kind: Kind, line: str) -> None:
    assert found(f'time="..." level=info msg="{line}"').kind == kind


@pytest.mark.parametrize(("kind", "line"), REPORTED_OF_K3S)
def test_from_reported_lines_of_k3s_the_cause_is_named(kind: Kind, line: str) -> None:
    assert found(f'time="..." level=info msg="{line}"').kind == kind


@pytest.mark.parametrize("shape", [LOAD_BALANCER, LOAD_BALANCER_FILE])
def test_from_documented_lines_a_stale_list_of_servers_is_named(shape: str) -> None:
    journal = f"{shape.format('10.0.0.9')}\nserver is not ready: not authorized"

    told = found(journal, facts=Facts(servers=(SERVER,)))

    assert told.kind is Kind.STALE_SERVERS
    assert "10.0.0.9" in told.line or "ServerAddresses" in told.line
    assert "k3s-agent-load-balancer.json" in told.remedy


@pytest.mark.parametrize("shape", [LOAD_BALANCER, LOAD_BALANCER_FILE])
def test_a_list_of_the_clusters_own_servers_is_not_stale(shape: str) -> None:
    journal = f"{shape.format(SERVER)}\nserver is not ready: not authorized"

    assert found(journal, facts=Facts(servers=(SERVER,))).kind is Kind.WRONG_TOKEN
    # Who knows no servers cannot say.
    assert found(shape.format("10.0.0.9") + "\nnot authorized").kind is Kind.WRONG_TOKEN


@pytest.mark.parametrize(("distribution", "said"), [("k3s", "8472/udp"), ("kubeadm", "ip route")])
def test_pods_that_reach_their_own_node_only_tell_of_the_way_between(
    distribution: str, said: str
) -> None:
    told = found(CUT, distribution)

    assert told.kind is Kind.OVERLAY_BLOCKED
    assert "n1" in told.what
    assert "n2" in told.what
    assert said in told.remedy


def test_a_pod_that_reaches_nothing_does_not_tell_of_the_way_between() -> None:
    assert found("not ready within 60 s: " + MUTE).kind is Kind.NOT_READY


def test_a_certificate_that_expired_is_told_from_a_clock_that_is_wrong() -> None:
    assert found(EXPIRED, facts=Facts(skew_s=0.2)).kind is Kind.CERTIFICATE_EXPIRED
    assert found(EXPIRED, facts=Facts(skew_s=-3600.0)).kind is Kind.CLOCK_SKEW
    assert found(EXPIRED).kind is Kind.CLOCK_SKEW


def test_a_key_that_is_skipped_is_only_a_warning_and_any_other_cause_goes_before() -> None:
    skipped = r'level=warning msg="Unknown flag --tls-sna found in config.yaml, skipping\n"'
    late = "k3s on n2: not ready within 180 s"

    told = found(f"{late}\n{skipped}")
    assert told.kind is Kind.UNKNOWN_KEY
    assert "does not know tls-sna of its configuration" in told.what
    assert found(f"{late}\n{skipped}\nNode password rejected").kind is Kind.PASSWORD_REJECTED
    assert found(late).kind is Kind.NOT_READY
    assert diagnose(skipped, distribution="kubeadm") is None


def test_keys_that_only_a_server_knows_are_skipped_by_other_commands_without_harm() -> None:
    every = ("--node-name", "--write-kubeconfig-mode", "--tls-san")
    said = "\n".join(f'msg="Unknown flag {key} found in config.yaml, skipping"' for key in every)

    assert diagnose(said, distribution="k3s") is None
    assert found(f"{said}\nno space left on device").kind is Kind.DISK_PRESSURE


def test_a_server_that_was_made_anew_is_told_how_to_be_forgotten_first() -> None:
    told = found("ETCD join failed: duplicate node name found, please use a unique name")

    assert told.remedy == "lab node remove n2 --force, then lab up"
    assert diagnose("duplicate node name n2") is None
    assert diagnose("duplicate node name found", distribution="kubeadm") is None


def test_a_certificate_that_is_not_valid_here_yet_tells_of_a_clock() -> None:
    """As Python says it, heard with OpenSSL 3."""
    said = "the API server at https://127.0.0.1:1 does not answer (certificate {} (_ssl.c:1006))"

    told = found(said.format("is not yet valid"))
    assert told.kind is Kind.CLOCK_SKEW
    assert told.remedy.startswith("timedatectl here")
    assert diagnose(said.format("verify failed")) is None


def test_a_network_plugin_that_is_ready_is_no_cause() -> None:
    assert diagnose("NetworkReady=true reason: message:") is None
    assert diagnose("The node had condition: [MemoryPressure].") is None


def test_of_a_very_long_line_what_is_around_the_words_is_shown() -> None:
    line = f"{'a' * 1000} Node password rejected {'b' * 1000}"

    told = found(line).line

    assert told.startswith("Node password rejected bbb")
    assert told.endswith("b ...")
    assert len(told) < 410
    assert "Node password rejected" in found(f"{'a' * 1000} Node password rejected").line


def test_many_lines_that_tell_the_same_are_counted() -> None:
    pairs = "\n".join(f"n1 cannot reach http://10.42.{n}.5/ (n{n}): timed out" for n in range(2, 9))

    told = found(pairs)

    assert len(told.evidence) == 3
    assert told.more == 4
    assert tell([Failure("", pairs)]).lines[-1] == "    and 4 more like this"


def test_one_line_of_one_node_is_told_beside_its_title() -> None:
    assert tell([Failure("n2", "n2 has not joined")]).below("too late") == (
        "too late: n2 has not joined"
    )
    assert tell([Failure("", "")]).below("too late") == "too late: no output"


def test_what_several_nodes_said_is_told_below_their_names() -> None:
    told = tell([Failure("n2", "n2 has not joined"), Failure("n3", "no space left on device")])

    assert told.nodes == ("n2", "n3")
    assert told.remedy.startswith("df -h on n3")
    assert told.below("too late").splitlines() == [
        "too late: n2, n3",
        "  n2 has not joined",
        "  n3: disk pressure: a file system of n3 is full, or nearly",
        "    no space left on device",
        "    remedy: df -h on n3; lab artifacts prune --build frees some here",
    ]


def test_a_healthy_disk_in_the_nodes_conditions_is_no_disk_pressure() -> None:
    assert found(f"k3s on n1: not ready within 180 s\n{CONDITIONS}").kind is Kind.NOT_READY
    assert diagnose("NodeHasNoDiskPressure") is None


def test_a_server_that_asks_itself_before_its_api_is_up_is_not_cut_off() -> None:
    noise = (
        'Get "https://127.0.0.1:6443/readyz": dial tcp 127.0.0.1:6443: connect: connection refused'
    )

    assert found(f"{noise}\nk3s on n1: not ready within 180 s").kind is Kind.NOT_READY
    assert diagnose(noise) is None


def test_the_more_telling_of_many_lines_counts() -> None:
    journal = "\n".join(
        (
            'dial tcp 10.77.0.11:6443: connect: connection refused"',
            "Waiting to retrieve agent configuration; server is not ready: EOF",
            "Node password rejected, duplicate hostname",
            "k3s-agent on n2: not ready within 60 s",
        )
    )

    told = found(journal)

    assert told.kind is Kind.PASSWORD_REJECTED
    assert told.remedy.startswith("lab kubectl delete node n2")


def test_words_of_one_distribution_mean_nothing_in_the_other() -> None:
    line = "server is not ready: not authorized"

    assert found(line).kind is Kind.WRONG_TOKEN
    assert diagnose(line, distribution="kubeadm") is None
    assert diagnose(line) is not None


def test_what_is_said_over_and_over_is_shown_once() -> None:
    line = "Node password rejected"

    assert found(f"10:00 {line}\n10:01 {line}\n10:02 {line}").evidence == (f"10:00 {line}",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "all is well",
        "the token was accepted",
        "dial tcp 10.77.0.11:22: connect: connection refused",
        "certificate is valid",
        "/etc/hosts already exists",
        "Running load balancer k3s-agent-load-balancer 127.0.0.1:6444 -> [] [default: 1.2.3.4:6443]",
        "open /proc/sys/kernel/panic: no such file or directory",
    ],
)
def test_what_nobody_knows_is_not_guessed(text: str) -> None:
    assert diagnose(text) is None


def test_every_rule_says_where_its_words_come_from_and_what_to_do() -> None:
    assert all(rule.source and rule.remedy and rule.what for rule in RULES)
    # No k3s was ever heard.
    assert not [rule for rule in RULES if rule.distribution == "k3s" and rule.proof is Proof.HEARD]


def test_each_kind_has_a_rule() -> None:
    assert {rule.kind for rule in RULES} == set(Kind)


@pytest.mark.parametrize(
    "secret",
    [
        "K10" + "0" * 64 + "::server:s3cret",
        "K10" + "0" * 64 + "::abcdef.0123456789abcdef",
        "K10::node:s3cret",
        "abcdef.0123456789abcdef",
        "--token s3cret-of-the-cluster",
        "--certificate-key " + "0" * 64,
        "K3S_TOKEN=s3cret",
        '{"password": "s3cret"}',
        "Authorization: Basic bm9kZTpzM2NyZXQ=",
        "-----BEGIN EC PRIVATE KEY-----\ns3cret\n-----END EC PRIVATE KEY-----",
    ],
)
def test_a_cause_is_told_without_the_secrets_it_came_with(secret: str) -> None:
    words = ("s3cret", "0123456789abcdef", "0" * 64, "bm9kZ")

    told = found(f"with {secret} not authorized\n{secret}")

    assert not any(word in told.text() + redact(secret) for word in words)


@pytest.mark.parametrize(
    "text",
    [
        "a.b",
        "failed to validate token: failed to get CA certs",
        "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password'",
        'none of the public keys "sha256:' + "0" * 64 + '" are pinned',
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_a_key_that_was_cut_off_is_no_longer_a_key() -> None:
    assert redact("ok\n-----BEGIN PRIVATE KEY-----\ns3cret") == "ok\n(key)"
