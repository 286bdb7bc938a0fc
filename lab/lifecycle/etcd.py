"""Who votes in the cluster's etcd, and may one of them go?

Asked by etcd's own HTTP gateway on a server (etcd.io/docs/latest/dev-guide/api_grpc_gateway)
with the certificates that the distribution put there, so no client program is needed.
"""

import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.errors import ClusterError, LabError
from lab.lifecycle.access import run_on_node
from lab.lifecycle.lab import Lab
from lab.machines.topology import Node

BOUND_S = 20.0
# A leader that is gone is missed after an election timeout, a second by default, and the next
# one may take two elections (etcd.io/docs/latest/tuning). Meanwhile no member calls itself healthy.
ELECTION_S = 8.0
POLL_S = 0.5
_SUFFIX = re.compile(r"-[0-9a-f]{8}\Z")
# CA, certificate and key: kubeadm's page on certificates; k3s pkg/etcd, docs.k3s.io/datastore.
_FILES = {
    "kubeadm": ("/etc/kubernetes/pki/etcd", "ca.crt", "server.crt", "server.key"),
    "k3s": (
        "/var/lib/rancher/k3s/server/tls/etcd",
        "server-ca.crt",
        "server-client.crt",
        "server-client.key",
    ),
}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of etcd; one that does not vote yet is a learner."""

    id: str
    name: str
    address: str
    learner: bool = False
    healthy: bool = False


def members(lab: Lab, asked: Node) -> tuple[Member, ...]:
    """Return the members as the server `asked` knows them, and whether each answers."""
    curl = _curl(lab)
    text = run_on_node(
        lab,
        asked,
        f"{curl} -X POST -d '{{}}' https://127.0.0.1:2379/v3/cluster/member/list",
        timeout_s=BOUND_S,
    )
    found = parse(text, suffixed=lab.record.distribution == "k3s")
    checks = "\n".join(
        f'{curl} https://{member.address}:2379/health | grep -q \'"health":"true"\' && '
        f"echo {member.name}"
        for member in found
    )
    answers = run_on_node(lab, asked, f"{checks}\ntrue\n", timeout_s=BOUND_S).split()
    return tuple(
        Member(m.id, m.name, m.address, m.learner, healthy=m.name in answers) for m in found
    )


def ask(lab: Lab, servers: Sequence[Node]) -> tuple[Node, tuple[Member, ...]]:
    """Return the first of these servers that knows the members, and these; else raise LabError."""
    failure: LabError = ClusterError("there is no server whose etcd could be asked")
    for server in servers:
        try:
            return server, members(lab, server)
        except LabError as exc:
            failure = exc
    raise failure


def require_quorum(lab: Lab, servers: Sequence[Node], leaving: str) -> None:
    """Raise LabError when etcd could not do without `leaving`; waits for an election to end."""
    deadline = time.monotonic() + ELECTION_S
    while True:
        try:
            refuse_loss_of_quorum(ask(lab, servers)[1], leaving)
        except LabError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
        else:
            return


def take_out(lab: Lab, servers: Sequence[Node], name: str) -> None:
    """Return when no member is called `name`; who still is could not leave by itself."""
    deadline = time.monotonic() + ELECTION_S
    while True:
        try:
            asked, found = ask(lab, servers)
            left = [member for member in found if member.name == name]
            for member in left:
                _forget(lab, asked, member)
        except LabError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
        else:
            return


def _forget(lab: Lab, asked: Node, member: Member) -> None:
    said = run_on_node(
        lab,
        asked,
        f'{_curl(lab)} -X POST -d \'{{"ID":"{member.id}"}}\' '
        "https://127.0.0.1:2379/v3/cluster/member/remove",
        timeout_s=BOUND_S,
    )
    if "members" not in said:
        raise ClusterError(f"etcd did not take {member.name} out: {said.strip()[:200]}")


def _curl(lab: Lab) -> str:
    directory, ca, certificate, key = _FILES[lab.record.distribution]
    return (
        f"curl -s --max-time 3 --cacert {directory}/{ca} "
        f"--cert {directory}/{certificate} --key {directory}/{key}"
    )


def parse(text: str, *, suffixed: bool = False) -> tuple[Member, ...]:
    """Read the answer of member/list; IDs are 64-bit numbers, written as text.

    `suffixed` where a member is called as its node and eight digits (k3s, pkg/etcd/etcd.go,
    setName); its name is returned without them.
    """
    try:
        return tuple(
            Member(
                id=str(each["ID"]),
                name=_SUFFIX.sub("", each.get("name", "")) if suffixed else each.get("name", ""),
                address=each["peerURLs"][0].removeprefix("https://").rsplit(":", 1)[0],
                learner=bool(each.get("isLearner")),
            )
            for each in json.loads(text)["members"]
        )
    except (ValueError, LookupError, TypeError) as exc:
        raise ClusterError(f"etcd answered with {text.strip()[:200]!r}") from exc


def refuse_loss_of_quorum(found: Iterable[Member], leaving: str) -> None:
    """Raise LabError when those that stay could not decide anything without `leaving`.

    A quorum is more than half of the voting members (etcd.io/docs/latest/faq).
    """
    staying = [member for member in found if member.name != leaving and not member.learner]
    if not staying:
        raise LabError(
            f"{leaving} is the only voting member of etcd: what the cluster knows is there alone",
            hint="lab status, then lab up to bring the others in first",
        )
    healthy = [member.name for member in staying if member.healthy]
    needed = len(staying) // 2 + 1
    if len(healthy) < needed:
        broken = ", ".join(m.name for m in staying if not m.healthy) or "nobody"
        raise LabError(
            f"without {leaving}, etcd would lose its quorum: of {len(staying)} members that stay "
            f"{len(healthy)} answer ({broken} does not), and {needed} are needed",
            hint="lab status, then lab up to bring the others back first",
        )
