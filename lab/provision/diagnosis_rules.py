"""Which words of kubeadm, k3s, kubelet and etcd tell which cause, and where they come from.

One row a rule. The first that holds counts, so the more telling ones come first: a journal that
names a wrong token is full of `server is not ready` as well.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    WRONG_TOKEN = "wrong token"  # noqa: S105 - a name
    CA_MISMATCH = "CA mismatch"
    PASSWORD_REJECTED = "node password rejected"  # noqa: S105 - a name
    NAME_TAKEN = "node name taken"
    API_BLOCKED = "API cannot be reached"
    OVERLAY_BLOCKED = "pods of different nodes cannot reach each other"
    NO_POD_NETWORK = "no network for pods"
    STALE_SERVERS = "stale list of servers"
    CLOCK_SKEW = "clock skew"
    CERTIFICATE_EXPIRED = "certificate expired"
    READ_ONLY_SYSCTL = "read-only sysctl"
    DISK_PRESSURE = "disk pressure"
    LEARNER_LIMIT = "two servers joined at once"
    OTHER_VALUES = "servers disagree"
    OTHER_DATA = "data of another cluster"
    FOREIGN = "a cluster of somebody else"
    UNKNOWN_KEY = "unknown key of the configuration"
    NOT_READY = "server never ready"


class Proof(StrEnum):
    """How it is known that a program says these words."""

    OWN = "lab's own words"
    HEARD = "heard from the program on a real node"
    READ = "read in the program's source"
    REPORTED = "only reported or documented by others: not verified"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known besides the words.

    `servers` are the addresses of the cluster's servers; `skew_s` is by how many seconds the
    node's clock is ahead of theirs. Empty and None say that nobody has asked.
    """

    servers: tuple[str, ...] = ()
    skew_s: float | None = None


Holds = Callable[[re.Match[str], str, Facts], bool]


def always(_found: re.Match[str], _evidence: str, _facts: Facts) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """Words, the cause they tell, and the next command.

    `what` and `remedy` may hold {node} and the pattern's named groups. `holds` says whether a
    match counts, where words alone do not tell. `distribution` is empty where both say so.
    """

    kind: Kind
    pattern: re.Pattern[str]
    what: str
    remedy: str
    source: str
    proof: Proof
    distribution: str = ""
    holds: Holds = always


def _names_other_servers(found: re.Match[str], _evidence: str, facts: Facts) -> bool:
    """Hold where the list has an address that is none of the servers'."""
    addresses = re.findall(r"[\[\s\"](\d+\.\d+\.\d+\.\d+):\d+", found["servers"])
    return bool(facts.servers) and not set(addresses) <= set(facts.servers)


def _only_across_nodes(found: re.Match[str], evidence: str, _facts: Facts) -> bool:
    """Hold where the pod reaches what is on its own node: else it is not the way between them."""
    asker = re.escape(found["asker"])
    return not re.search(rf"\b{asker} cannot reach \S+ \({asker}\)", evidence)


def _of_a_server(_found: re.Match[str], evidence: str, _facts: Facts) -> bool:
    """Hold where k3s itself skips a key: `k3s etcd-snapshot` skips all but its own few."""
    return "Unknown flag --write-kubeconfig-mode found" not in evidence


def _clocks_agree(_found: re.Match[str], _evidence: str, facts: Facts) -> bool:
    return facts.skew_s is not None and abs(facts.skew_s) < MAX_SKEW_S


# etcd warns from 1 s on; certificates of kubeadm and k3s are valid from the second they are
# made. More than a slow answer can explain.
MAX_SKEW_S = 5.0

AGAIN = "lab up: it makes a new token and joins again"
CLOCK = "timedatectl on {node} and on the first server; set the clock, then lab up"
NETWORK = "ss -ltn on the server, and the firewall between: 6443/tcp must be open; then lab up"
ANOTHER = "lab down, then lab up: that API server is of another cluster"
# Any address but a node's own: before its API is up, a server asks itself in vain all the time.
_ELSEWHERE = r"(?!127\.|localhost\b|\[::1\])[^\s\"\\:/]+"
_NO_WAY = (
    r"(connection refused|i/o timeout|no route to host|network is unreachable"
    r"|TLS handshake timeout|deadline exceeded|Client\.Timeout exceeded)"
)
_X509 = r"x509: certificate has expired or is not yet valid"

RULES = (
    Rule(
        Kind.CERTIFICATE_EXPIRED,
        re.compile(rf"{_X509}: current time \S+ is after \S+"),
        "{node} was shown a certificate that has expired, and the clocks agree",
        "lab ssh to the first server: kubeadm certs renew all, or systemctl restart k3s",
        "Go crypto/x509/verify.go CertificateInvalidError",
        Proof.READ,
        holds=_clocks_agree,
    ),
    Rule(
        Kind.CLOCK_SKEW,
        re.compile(_X509),
        "the clock of {node} or of its server is wrong: a certificate is not valid at that time",
        CLOCK,
        "Go crypto/x509/verify.go CertificateInvalidError",
        Proof.READ,
    ),
    Rule(
        Kind.CLOCK_SKEW,
        re.compile(r"certificate is not yet valid \(_ssl\.c:\d+\)"),
        "the clock of this host or of the first server is wrong: the API's certificate is not "
        "valid at this host's time",
        "timedatectl here and on the first server; set the clock, then lab up",
        "Python ssl with OpenSSL crypto/x509/x509_txt.c X509_V_ERR_CERT_NOT_YET_VALID",
        Proof.HEARD,
    ),
    Rule(
        Kind.CLOCK_SKEW,
        re.compile(r"prober found high clock drift"),
        "the clocks of {node} and another server differ by more than a second",
        CLOCK,
        "etcd v3.6 server/etcdserver/api/rafthttp/probing_status.go",
        Proof.READ,
    ),
    Rule(
        Kind.STALE_SERVERS,
        re.compile(
            r"((Running|Updated) load balancer (k3s-agent-load-balancer )?"
            r"(127\.0\.0\.1:\d+|server addresses) -> |\"ServerAddresses\":\s*)"
            r"(?P<servers>\[[^\]]*\])"
        ),
        "{node} keeps a list of servers that are not this cluster's",
        "on {node}: systemctl stop k3s-agent, rm "
        "/var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json, then lab up",
        "k3s pkg/agent/loadbalancer/config.go; the line as in k3s PR 11329",
        Proof.REPORTED,
        "k3s",
        _names_other_servers,
    ),
    Rule(
        Kind.CA_MISMATCH,
        re.compile(r"none of the public keys .* are pinned"),
        "the API server that {node} asked has another CA than the one of this cluster",
        ANOTHER,
        "kubeadm app/util/pubkeypin/pubkeypin.go CheckAny",
        Proof.HEARD,
        "kubeadm",
    ),
    Rule(
        Kind.CA_MISMATCH,
        re.compile(r"token CA hash does not match the Cluster CA certificate hash"),
        "the API server that {node} asked has another CA than its token names",
        ANOTHER,
        "k3s pkg/clientaccess/token.go validateCAHash",
        Proof.READ,
        "k3s",
    ),
    Rule(
        Kind.CA_MISMATCH,
        re.compile(r"answers with another CA"),
        "the API server that {node} asked has another CA than the one of this cluster",
        ANOTHER,
        "lab/provision/templates/k3s-join-check.sh.j2",
        Proof.OWN,
        "k3s",
    ),
    Rule(
        Kind.WRONG_TOKEN,
        re.compile(r"could not find a JWS signature in the cluster-info ConfigMap"),
        "the cluster does not know the token with which {node} wanted to join",
        AGAIN,
        "kubeadm app/discovery/token/token.go getClusterInfo",
        Proof.HEARD,
        "kubeadm",
    ),
    Rule(
        Kind.WRONG_TOKEN,
        re.compile(
            r"failed to verify JWS signature of received cluster info"
            r"|token id .* is invalid for this cluster or it has expired"
        ),
        "the cluster does not know the token with which {node} wanted to join",
        AGAIN,
        "kubeadm app/discovery/token/token.go validateClusterInfoToken",
        Proof.READ,
        "kubeadm",
    ),
    Rule(
        Kind.WRONG_TOKEN,
        re.compile(r"\bnot authorized\b|/v1-k3s/\S+: 401 Unauthorized"),
        "the server turns away the token with which {node} wants to join",
        AGAIN,
        "k3s pkg/clientaccess/token.go get has the status; the words as in k3s issue 6965",
        Proof.REPORTED,
        "k3s",
    ),
    Rule(
        Kind.WRONG_TOKEN,
        re.compile(r"invalid token (CA hash length|format)|token must not be empty"),
        "what {node} has for a token is none",
        AGAIN,
        "k3s pkg/clientaccess/token.go parseToken",
        Proof.READ,
        "k3s",
    ),
    Rule(
        Kind.PASSWORD_REJECTED,
        re.compile(r"Node password rejected"),
        "the cluster knows another machine by the name {node}",
        "lab kubectl delete node {node}, rm /etc/rancher/node/password on it, then lab up",
        "k3s pkg/agent/config/config.go getNodeNamedCrt; docs.k3s.io/architecture",
        Proof.READ,
        "k3s",
    ),
    Rule(
        Kind.NAME_TAKEN,
        re.compile(r"a Node with name \S+ and status \S+ already exists in the cluster"),
        "the cluster has another node by the name {node}, and it is Ready",
        "lab kubectl delete node {node}, then lab up",
        "kubeadm app/cmd/phases/join/kubelet.go runKubeletStartJoinPhase",
        Proof.READ,
        "kubeadm",
    ),
    Rule(
        Kind.NAME_TAKEN,
        re.compile(r"duplicate node name found"),
        "etcd still has a member by the name {node}, of a server that {node} was before it was "
        "made anew",
        "lab node remove {node} --force, then lab up",
        "k3s pkg/etcd/etcd.go join",
        Proof.READ,
        "k3s",
    ),
    Rule(
        Kind.LEARNER_LIMIT,
        re.compile(
            r"too many learner members in cluster"
            r"|can only promote a learner member which is in sync with leader"
        ),
        "etcd takes one new member at a time, and one before {node} does not vote yet",
        "lab kubectl get nodes, and lab up when the other server votes",
        "etcd v3.6 api/v3rpc/rpctypes/error.go ErrGRPCTooManyLearners, ErrGRPCLearnerNotReady",
        Proof.READ,
    ),
    Rule(
        Kind.OTHER_VALUES,
        re.compile(r"critical configuration (value mismatch|mismatched)"),
        "{node} was given other values than the servers before it",
        "lab down, then lab up",
        "k3s pkg/cluster/bootstrap.go; docs.k3s.io/cli/server",
        Proof.READ,
        "k3s",
    ),
    Rule(
        Kind.OTHER_DATA,
        re.compile(r"bootstrap data already found and encrypted with different token"),
        "{node} holds data of a cluster with another token",
        "lab down, then lab up",
        "k3s pkg/cluster/storage.go getBootstrapKeyFromStorage",
        Proof.READ,
        "k3s",
    ),
    Rule(
        Kind.UNKNOWN_KEY,
        re.compile(r"flag provided but not defined"),
        "the k3s on {node} does not know a key of its configuration: it is another release",
        "lab up --distribution k3s without a directory or mirror of another release",
        "Go flag.FlagSet, as k3s passes it on",
        Proof.READ,
        "k3s",
    ),
    Rule(
        Kind.FOREIGN,
        re.compile(r"there is a k3s that lab did not put here"),
        "{node} has a k3s that lab did not put there",
        "k3s-uninstall.sh on {node}, if nobody needs it",
        "lab/provision/templates/k3s-foreign.sh.j2",
        Proof.OWN,
        "k3s",
    ),
    Rule(
        Kind.FOREIGN,
        re.compile(
            r"\[ERROR FileAvailable--etc-kubernetes-\S+\]: \S+ already exists"
            r"|\[ERROR DirAvailable--var-lib-etcd\]: \S+ is not empty"
        ),
        "{node} has what another kubeadm left there",
        "kubeadm reset on {node}, if nobody needs it; then lab up",
        "kubeadm app/preflight/checks.go FileAvailableCheck, DirAvailableCheck",
        Proof.READ,
        "kubeadm",
    ),
    Rule(
        Kind.DISK_PRESSURE,
        # Every node has a condition DiskPressure; it tells something only where it is true.
        re.compile(
            r"no space left on device|DiskPressure=True|NodeHasDiskPressure"
            r"|Attempting to reclaim ephemeral-storage|node\.kubernetes\.io/disk-pressure"
            r"|must evict pod\(s\) to reclaim\" resourceName=\"ephemeral-storage\""
            r"|The node had condition: \[[^\]]*\bDiskPressure\b"
        ),
        "a file system of {node} is full, or nearly",
        "df -h on {node}; lab artifacts prune --build frees some here",
        "errno(3) ENOSPC; kubelet pkg/kubelet/nodestatus/setters.go, "
        "pkg/kubelet/eviction/eviction_manager.go and helpers.go",
        Proof.READ,
    ),
    Rule(
        Kind.READ_ONLY_SYSCTL,
        re.compile(r"open /proc/sys/\S+: .*?(read-only file system|permission denied)"),
        "{node} may not set a kernel setting that kubelet wants otherwise",
        "sysctl -w on the host of {node}, for all nodes on it; then lab doctor and lab up",
        "kubelet pkg/kubelet/cm/container_manager_linux.go setupKernelTunables; k3s issue 10958",
        Proof.READ,
    ),
    Rule(
        Kind.NO_POD_NETWORK,
        re.compile(r"cni plugin not initialized"),
        "containerd on {node} has no configuration of a pod network, which k3s writes for flannel "
        "when it starts",
        "lab logs {node}; on it, systemctl restart k3s-agent (k3s on a server) writes it again",
        "github.com/containerd/go-cni errors.go; k3s pkg/agent/flannel/setup.go Prepare",
        Proof.READ,
        "k3s",
    ),
    Rule(
        Kind.NO_POD_NETWORK,
        re.compile(r"cni plugin not initialized"),
        "containerd on {node} has no configuration of a pod network",
        "lab logs {node} --unit containerd; /etc/cni/net.d on it holds 10-lab.conflist",
        "github.com/containerd/go-cni errors.go; lab/provision/templates/10-lab.conflist.j2",
        Proof.READ,
        "kubeadm",
    ),
    Rule(
        Kind.OVERLAY_BLOCKED,
        re.compile(
            r"(?<!\S)(?P<asker>\S+) cannot reach \S+ \((?!(?P=asker)\))(?P<other>[^)\s]+)\)"
        ),
        "pods on {asker} do not reach those on {other}, though both nodes are Ready",
        "open 8472/udp between all nodes (flannel's VXLAN); on both: nft list ruleset, ip route, "
        "tcpdump -ni any udp port 8472",
        "lab/provision/readiness.py judge_answers; docs.k3s.io/installation/requirements",
        Proof.OWN,
        "k3s",
        _only_across_nodes,
    ),
    Rule(
        Kind.OVERLAY_BLOCKED,
        re.compile(
            r"(?<!\S)(?P<asker>\S+) cannot reach \S+ \((?!(?P=asker)\))(?P<other>[^)\s]+)\)"
        ),
        "pods on {asker} do not reach those on {other}, though both nodes are Ready",
        "ip route on {asker} and {other}: each has one to the other's pods; "
        "and nothing between may drop them",
        "lab/provision/readiness.py judge_answers",
        Proof.OWN,
        "kubeadm",
        _only_across_nodes,
    ),
    Rule(
        Kind.API_BLOCKED,
        re.compile(r"the API of \S+ cannot be reached: port 6443"),
        "{node} gets no answer from the API: port 6443 is blocked, or nothing listens there",
        NETWORK,
        "lab/provision/templates/k3s-join-check.sh.j2",
        Proof.OWN,
    ),
    Rule(
        Kind.NOT_READY,
        re.compile(
            r"(?P<component>kube-apiserver|kube-controller-manager|kube-scheduler) "
            r"(check failed at|is not healthy after)"
        ),
        "{component} on {node} did not become healthy within its bound: it is slow there, or it "
        "ends again and again",
        "lab logs {node} --unit kubelet; where the host is slow: lab up --timeout 900",
        "kubeadm app/util/apiclient/wait.go WaitForControlPlaneComponents",
        Proof.HEARD,
        "kubeadm",
    ),
    Rule(
        Kind.API_BLOCKED,
        # Heard: connection refused.
        re.compile(rf"(dial tcp|https://)\s?{_ELSEWHERE}:6443\b.*{_NO_WAY}"),
        "{node} gets no answer from the API: port 6443 is blocked, or nothing listens there",
        NETWORK,
        "Go net, net/http",
        Proof.HEARD,
    ),
    Rule(
        Kind.API_BLOCKED,
        # The agent asks by way of its own load balancer, whose words say nothing of the server.
        re.compile(
            r"failed to get CA certs: .*127\.0\.0\.1:6444/cacerts.*"
            rf"({_NO_WAY}|EOF|connection reset by peer)"
        ),
        "{node} gets no answer from the API: port 6443 is blocked, or nothing listens there",
        NETWORK,
        "k3s pkg/clientaccess/token.go getCACerts; what follows as in k3s issue 5459",
        Proof.REPORTED,
        "k3s",
    ),
    Rule(
        Kind.CA_MISMATCH,
        re.compile(r"x509: certificate signed by unknown authority"),
        "{node} holds certificates of another cluster, or asked a server of one",
        ANOTHER,
        "Go crypto/x509/verify.go UnknownAuthorityError",
        Proof.READ,
    ),
    Rule(
        # Only a warning, and k3s goes on without the key: so it counts when nothing else does.
        Kind.UNKNOWN_KEY,
        re.compile(r"Unknown flag -+(?P<key>\S+) found in config\.yaml, skipping"),
        "the k3s on {node} does not know {key} of its configuration and goes on without it: it "
        "is another release",
        "lab up --distribution k3s without a directory or mirror of another release",
        "k3s pkg/configfilearg/parser.go stripInvalidFlags",
        Proof.READ,
        "k3s",
        _of_a_server,
    ),
    Rule(
        Kind.NOT_READY,
        re.compile(
            r"not ready within [\d.]+ s|failed while waiting for the control plane to start"
            r"|\[(kubelet|control-plane)-check\] .* is not healthy after"
            r"|context deadline exceeded"
        ),
        "{node} did not come up within its bound, and nothing it said tells why",
        "lab logs {node}",
        "lab/provision/templates/wait-for-k3s.sh.j2; kubeadm app/util/apiclient/wait.go",
        Proof.READ,
    ),
    Rule(
        Kind.NOT_READY,
        re.compile(r"Waiting to retrieve agent configuration; server is not ready"),
        "the server that {node} asked was not ready within the bound",
        "lab status, then lab logs of the first server",
        "k3s pkg/agent/config/config.go Get",
        Proof.READ,
        "k3s",
    ),
)
