"""Words that tell why a cluster does not take a node: clocks, tokens, names, data of another.

One row a rule, the more telling ones first.
"""

import re

from lab.provision.diagnosis_rule import Facts, Kind, Proof, Rule

# etcd warns from 1 s on; certificates of kubeadm and k3s are valid from the second they are
# made. More than a slow answer can explain.
MAX_SKEW_S = 5.0
AGAIN = "lab up: it makes a new token and joins again"
CLOCK = "timedatectl on {node} and on the first server; set the clock, then lab up"
ANOTHER = "lab down, then lab up: that API server is of another cluster"
_X509 = r"x509: certificate has expired or is not yet valid"


def _names_other_servers(found: re.Match[str], _evidence: str, facts: Facts) -> bool:
    """Hold where the list has an address that is none of the servers'."""
    addresses = re.findall(r"[\[\s\"](\d+\.\d+\.\d+\.\d+):\d+", found["servers"])
    return bool(facts.servers) and not set(addresses) <= set(facts.servers)


def _clocks_agree(_found: re.Match[str], _evidence: str, facts: Facts) -> bool:
    return facts.skew_s is not None and abs(facts.skew_s) < MAX_SKEW_S


ADMISSION = (
    Rule(
        Kind.CERTIFICATE_EXPIRED,
        re.compile(rf"{_X509}: current time \S+ is after \S+"),
        "{node} was shown a certificate that has expired, and the clocks agree",
        "lab ssh to the first server: kubeadm certs renew all, or systemctl restart k3s",
        "Go crypto/x509/verify.go CertificateInvalidError",
        Proof.READ,
        holds=_clocks_agree,
        lasts=True,
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
        lasts=True,
    ),
    Rule(
        Kind.CA_MISMATCH,
        re.compile(r"token CA hash does not match the Cluster CA certificate hash"),
        "the API server that {node} asked has another CA than its token names",
        ANOTHER,
        "k3s pkg/clientaccess/token.go validateCAHash",
        Proof.READ,
        "k3s",
        lasts=True,
    ),
    Rule(
        Kind.CA_MISMATCH,
        re.compile(r"answers with another CA"),
        "the API server that {node} asked has another CA than the one of this cluster",
        ANOTHER,
        "lab/provision/templates/k3s-join-check.sh.j2",
        Proof.OWN,
        "k3s",
        lasts=True,
    ),
    Rule(
        Kind.WRONG_TOKEN,
        re.compile(r"could not find a JWS signature in the cluster-info ConfigMap"),
        "the cluster does not know the token with which {node} wanted to join",
        AGAIN,
        "kubeadm app/discovery/token/token.go getClusterInfo",
        Proof.HEARD,
        "kubeadm",
        lasts=True,
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
        lasts=True,
    ),
    Rule(
        Kind.WRONG_TOKEN,
        re.compile(r"\bnot authorized\b|/v1-k3s/\S+: 401 Unauthorized"),
        "the server turns away the token with which {node} wants to join",
        AGAIN,
        "k3s pkg/clientaccess/token.go get has the status; the words as in k3s issue 6965",
        Proof.REPORTED,
        "k3s",
        lasts=True,
    ),
    Rule(
        Kind.WRONG_TOKEN,
        re.compile(r"invalid token (CA hash length|format)|token must not be empty"),
        "what {node} has for a token is none",
        AGAIN,
        "k3s pkg/clientaccess/token.go parseToken",
        Proof.READ,
        "k3s",
        lasts=True,
    ),
    Rule(
        Kind.PASSWORD_REJECTED,
        re.compile(r"Node password rejected"),
        "the cluster knows another machine by the name {node}",
        "lab kubectl delete node {node}, rm /etc/rancher/node/password on it, then lab up",
        "k3s pkg/agent/config/config.go getNodeNamedCrt; docs.k3s.io/architecture",
        Proof.READ,
        "k3s",
        lasts=True,
    ),
    Rule(
        Kind.NAME_TAKEN,
        re.compile(r"a Node with name \S+ and status \S+ already exists in the cluster"),
        "the cluster has another node by the name {node}, and it is Ready",
        "lab kubectl delete node {node}, then lab up",
        "kubeadm app/cmd/phases/join/kubelet.go runKubeletStartJoinPhase",
        Proof.READ,
        "kubeadm",
        lasts=True,
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
        lasts=True,
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
        lasts=True,
    ),
    Rule(
        Kind.OTHER_DATA,
        re.compile(r"bootstrap data already found and encrypted with different token"),
        "{node} holds data of a cluster with another token",
        "lab down, then lab up",
        "k3s pkg/cluster/storage.go getBootstrapKeyFromStorage",
        Proof.READ,
        "k3s",
        lasts=True,
    ),
    Rule(
        Kind.UNKNOWN_KEY,
        re.compile(r"flag provided but not defined"),
        "the k3s on {node} does not know a key of its configuration: it is another release",
        "lab up --distribution k3s without a directory or mirror of another release",
        "Go flag.FlagSet, as k3s passes it on",
        Proof.READ,
        "k3s",
        lasts=True,
    ),
    Rule(
        Kind.FOREIGN,
        re.compile(r"there is a k3s that lab did not put here"),
        "{node} has a k3s that lab did not put there",
        "k3s-uninstall.sh on {node}, if nobody needs it",
        "lab/provision/templates/k3s-foreign.sh.j2",
        Proof.OWN,
        "k3s",
        lasts=True,
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
        lasts=True,
    ),
)
