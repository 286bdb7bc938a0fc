"""Words that tell why a node that was let in does not work: disk, kernel, network, its server.

One row a rule, the more telling ones first.
"""

import re

from lab.provision.diagnosis_admission import ANOTHER
from lab.provision.diagnosis_rule import Facts, Kind, Proof, Rule

NETWORK = "ss -ltn on the server, and the firewall between: 6443/tcp must be open; then lab up"
# Any address but a node's own: before its API is up, a server asks itself in vain all the time.
_ELSEWHERE = r"(?!127\.|localhost\b|\[::1\])[^\s\"\\:/]+"
_NO_WAY = (
    r"(connection refused|i/o timeout|no route to host|network is unreachable"
    r"|TLS handshake timeout|deadline exceeded|Client\.Timeout exceeded)"
)


def _only_across_nodes(found: re.Match[str], evidence: str, _facts: Facts) -> bool:
    """Hold where the pod reaches what is on its own node: else it is not the way between them."""
    asker = re.escape(found["asker"])
    return not re.search(rf"\b{asker} cannot reach \S+ \({asker}\)", evidence)


def _of_a_server(_found: re.Match[str], evidence: str, _facts: Facts) -> bool:
    """Hold where k3s itself skips a key: `k3s etcd-snapshot` skips all but its own few."""
    return "Unknown flag --write-kubeconfig-mode found" not in evidence


OPERATION = (
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
        lasts=True,
    ),
    Rule(
        Kind.READ_ONLY_SYSCTL,
        re.compile(r"open /proc/sys/\S+: .*?(read-only file system|permission denied)"),
        "{node} may not set a kernel setting that kubelet wants otherwise",
        "sysctl -w on the host of {node}, for all nodes on it; then lab doctor and lab up",
        "kubelet pkg/kubelet/cm/container_manager_linux.go setupKernelTunables; k3s issue 10958",
        Proof.READ,
        lasts=True,
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
        "lab/provision/pod_network.py judge_answers; docs.k3s.io/installation/requirements",
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
        "lab/provision/pod_network.py judge_answers",
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
        lasts=True,
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
