"""What is behind the words of a node that did not join, and what is to be done about it?

Pure: from the text of a failed operation (kubeadm's output, k3s' journal) to a name, and the
next command. The patterns are lines of the programs' sources; `seen` says of which it was
also seen on real nodes that they are said.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    WRONG_TOKEN = "wrong token"  # noqa: S105 - a name
    CA_MISMATCH = "CA mismatch"
    PASSWORD_REJECTED = "node password rejected"  # noqa: S105 - a name
    API_BLOCKED = "API cannot be reached"
    CLOCK_SKEW = "clock skew"
    READ_ONLY_SYSCTL = "read-only sysctl"
    DISK_FULL = "disk full"
    LEARNER_LIMIT = "two servers joined at once"
    OTHER_VALUES = "servers disagree"
    OTHER_DATA = "data of another cluster"
    FOREIGN = "a cluster of somebody else"
    UNKNOWN_KEY = "unknown key of the configuration"
    NOT_READY = "server never ready"


@dataclass(frozen=True, slots=True)
class Rule:
    kind: Kind
    pattern: re.Pattern[str]
    remedy: str
    source: str
    seen: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The kind, the line that tells it, without secrets, and what to do next."""

    kind: Kind
    line: str
    remedy: str

    def text(self) -> str:
        return f"{self.kind} ({self.line})"


AGAIN = "lab up: it makes a new token and joins again"
CLOCK = "timedatectl on the node and here; set the clock, then lab up"
NETWORK = "ss -ltn on the server, and the firewall between: 6443/tcp must be open"

# The first that matches counts, so the more telling ones come first.
RULES = (
    Rule(
        Kind.CLOCK_SKEW,
        re.compile(r"x509: certificate has expired or is not yet valid"),
        CLOCK,
        "Go crypto/x509 CertificateInvalidError",
    ),
    Rule(
        Kind.CA_MISMATCH,
        re.compile(r"none of the public keys .* are pinned"),
        "lab down, then lab up: that API server is of another cluster",
        "kubeadm cmd/kubeadm/app/discovery/token",
        seen=True,
    ),
    Rule(
        Kind.CA_MISMATCH,
        re.compile(r"token CA hash does not match|answers with another CA"),
        "lab down, then lab up: that API server is of another cluster",
        "k3s pkg/clientaccess",
    ),
    Rule(
        Kind.WRONG_TOKEN,
        re.compile(
            r"could not find a JWS signature in the cluster-info ConfigMap"
            r"|failed to verify JWS signature"
        ),
        AGAIN,
        "kubeadm cmd/kubeadm/app/discovery/token",
        seen=True,
    ),
    Rule(Kind.WRONG_TOKEN, re.compile(r"\bnot authorized\b"), AGAIN, "k3s pkg/clientaccess"),
    Rule(
        Kind.PASSWORD_REJECTED,
        re.compile(r"Node password rejected"),
        "lab kubectl delete node NAME, rm /etc/rancher/node/password on it, then lab up",
        "k3s pkg/agent/config, docs.k3s.io/architecture",
    ),
    Rule(
        Kind.LEARNER_LIMIT,
        re.compile(r"too many learner members in cluster"),
        "lab kubectl get nodes, and lab up when the other server votes",
        "etcd server/etcdserver/api/membership",
    ),
    Rule(
        Kind.OTHER_VALUES,
        re.compile(r"critical configuration value mismatch"),
        "lab down, then lab up",
        "k3s pkg/cluster, docs.k3s.io/cli/server",
    ),
    Rule(
        Kind.OTHER_DATA,
        re.compile(r"bootstrap data already found and encrypted with different token"),
        "lab down, then lab up",
        "k3s pkg/cluster",
    ),
    Rule(
        Kind.UNKNOWN_KEY,
        re.compile(r"flag provided but not defined"),
        "the k3s of the lock: lab up --distribution k3s without a directory or mirror of another",
        "Go flag, urfave/cli",
    ),
    Rule(
        Kind.FOREIGN,
        re.compile(r"there is a k3s that lab did not put here"),
        "k3s-uninstall.sh on that host, if nobody needs it",
        "lab/provision/templates/k3s-foreign.sh.j2",
        seen=True,
    ),
    Rule(
        Kind.DISK_FULL,
        re.compile(r"no space left on device|[Dd]isk[Pp]ressure"),
        "df -h on the node; lab artifacts prune --build frees some here",
        "errno(3) ENOSPC",
        seen=True,
    ),
    Rule(
        Kind.READ_ONLY_SYSCTL,
        re.compile(r"/proc/sys/\S+: .*read-only file system"),
        "lab doctor",
        "kubelet pkg/kubelet/cm, k3s issue 10958",
    ),
    Rule(
        Kind.API_BLOCKED,
        re.compile(
            r"(:6443.*(connection refused|i/o timeout|no route to host|deadline exceeded))"
            r"|cannot be reached: port 6443"
        ),
        NETWORK,
        "Go net",
        seen=True,
    ),
    Rule(
        Kind.NOT_READY,
        re.compile(r"not ready within \d+ s|context deadline exceeded"),
        "lab logs NODE",
        "lab/provision/templates/wait-for-k3s.sh.j2, kubeadm wait-control-plane",
    ),
)

SECRETS = (
    re.compile(r"K10[0-9a-f]{64}::\S+"),
    re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b"),
)


def diagnose(text: str) -> Diagnosis | None:
    """Return what the text tells, or None when nobody knows."""
    for rule in RULES:
        found = rule.pattern.search(text)
        if found:
            return Diagnosis(rule.kind, redact(_line_of(text, found)), rule.remedy)
    return None


def redact(text: str) -> str:
    """Return the text without tokens of k3s and of kubeadm."""
    for secret in SECRETS:
        text = secret.sub("(token)", text)
    return text


def _line_of(text: str, found: re.Match[str]) -> str:
    start = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    return text[start : end if end >= 0 else len(text)].strip()
