"""Which server is asked, and joined through: whichever answers, not whichever came first."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from lab.errors import InvalidValue, LabError, NotReady, RequestRefused
from lab.kube.nodes import NodeStatus
from lab.lifecycle import etcd, nodes, servers
from lab.lifecycle.bounds import BOUNDS
from lab.lifecycle.cluster import Cluster
from lab.lifecycle.etcd import Member
from lab.lifecycle.lab import Lab
from lab.lifecycle.plan import Done
from lab.lifecycle.publish import _leads_to
from lab.lifecycle.record import Record
from lab.lifecycle.servers import Seen, founder, pick
from lab.machines.topology import Node, make_nodes, nodes_of
from lab.progress import Silent
from lab.provision.distribution import choose

NODES = make_nodes(5, servers=3)
SERVERS = tuple(node for node in NODES if node.is_server)
FINE = Seen(running=True, ready=True, votes=True)


def record(joined: tuple[str, ...] = (), present: tuple[Node, ...] = NODES) -> Record:
    made = Record("lab", "abcd", "", len(present), "kubeadm", "v1.36.3", {})
    return replace(made.with_nodes(present), joined=joined)


@dataclass(slots=True)
class FakeLab:
    """A lab whose cluster says what the test wants."""

    record: Record
    off: frozenset[str] = frozenset()
    found: list[NodeStatus] = field(default_factory=list)

    @property
    def machines(self) -> "FakeLab":
        return self

    def running(self, asked: Any) -> frozenset[str]:
        return frozenset(node.name for node in asked) - self.off

    def connect(self, *, timeout_s: float = 10) -> "FakeLab":
        assert timeout_s
        return self

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/api/v1/nodes"
        return {"items": [item(each) for each in self.found]}


def item(status: NodeStatus) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(status.ready)}]
    if status.votes is not None:
        conditions.append({"type": "EtcdIsVoter", "status": str(status.votes)})
    return {
        "metadata": {"name": status.name},
        "spec": {},
        "status": {"conditions": conditions},
    }


def status(name: str, *, ready: bool = True, votes: bool | None = None) -> NodeStatus:
    return NodeStatus(name, ready, "", "", "v1.36.3", (), True, votes)


def member(name: str, *, healthy: bool = True, learner: bool = False) -> Member:
    return Member(name, name, "10.77.0.11", learner=learner, healthy=healthy)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes only while somebody sleeps."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    for module in ("servers", "etcd", "cluster"):
        monkeypatch.setattr(f"lab.lifecycle.{module}.time.monotonic", lambda: now[0])
        monkeypatch.setattr(f"lab.lifecycle.{module}.time.sleep", sleep)
    return now


def say(monkeypatch: pytest.MonkeyPatch, answer: Callable[[Node], tuple[Member, ...]]) -> list[str]:
    """Have etcd answer so on each server; return who was asked, as it comes."""
    asked: list[str] = []

    def members(_lab: object, server: Node) -> tuple[Member, ...]:
        asked.append(server.name)
        return answer(server)

    monkeypatch.setattr(etcd, "members", members)
    return asked


def find(lab: FakeLab, within_s: float = 5) -> str:
    return servers.find(cast(Lab, lab), within_s=within_s).name


def test_the_first_server_makes_the_cluster_only_while_no_server_is_part_of_one() -> None:
    assert founder(record()) == SERVERS[0]
    assert founder(record(joined=("n1",))) is None


def test_a_first_server_that_is_made_anew_joins_and_founds_nothing() -> None:
    assert founder(record(joined=("n2", "n3", "n4", "n5"))) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"running": False}, "does not run"),
        ({"ready": False}, "is not Ready"),
        ({"votes": False}, "does not vote in etcd"),
    ],
)
def test_a_server_that_cannot_be_asked_is_passed_over(wrong: dict[str, bool], said: str) -> None:
    seen = {"n1": replace(FINE, **wrong), "n3": FINE, "n4": FINE}

    assert seen["n1"].problem == said
    assert pick(SERVERS, seen) == SERVERS[1]


def test_the_order_of_the_record_only_decides_among_servers_that_answer() -> None:
    assert pick(SERVERS, dict.fromkeys(("n1", "n3", "n4"), FINE)) == SERVERS[0]
    assert pick(SERVERS, dict.fromkeys(("n1", "n3", "n4"), replace(FINE, votes=False))) is None


def test_without_the_api_a_vote_in_etcd_is_enough() -> None:
    assert pick(SERVERS, dict.fromkeys(("n1", "n3", "n4"), replace(FINE, ready=None)))


def test_one_server_is_asked_without_looking_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = say(monkeypatch, lambda server: ())

    assert find(FakeLab(record(("n1", "n2"), make_nodes(2)))) == "n1"
    assert asked == []


def test_a_server_without_power_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    members = (member("n1", healthy=False), member("n3"), member("n4"))
    asked = say(monkeypatch, lambda server: members)
    # Ready is said for a while of a node that is gone.
    found = [status(node.name) for node in NODES]
    lab = FakeLab(record(("n1", "n3", "n4")), frozenset({"n1"}), found)

    assert (find(lab), asked) == ("n3", ["n3"])


def test_a_learner_and_one_that_is_not_ready_are_not_joined_through(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    say(monkeypatch, lambda _: (member("n1"), member("n3", learner=True), member("n4")))
    found = [status("n1", ready=False), status("n3"), status("n4")]

    assert find(FakeLab(record(("n1", "n3", "n4")), found=found)) == "n4"


def test_servers_of_k3s_say_on_their_nodes_whether_they_vote(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    asked = say(monkeypatch, lambda server: ())
    found = [status("n1", votes=False), status("n2"), status("n3", votes=True)]

    assert find(FakeLab(record(("n1", "n3")), found=found)) == "n3"
    assert asked == []


def test_a_server_that_has_just_booted_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    def answer(server: Node) -> tuple[Member, ...]:
        return (member("n1", healthy=clock[0] >= 2), member("n3", healthy=False))

    say(monkeypatch, answer)
    lab = FakeLab(record(("n1", "n3")), found=[status("n1"), status("n3")])

    assert find(lab) == "n1"
    assert clock == [2.0]


def test_what_is_wrong_with_each_server_is_told_when_none_answers(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    say(monkeypatch, lambda server: (member("n4", learner=True),))
    found = [status("n3", ready=False), status("n4")]
    lab = FakeLab(record(("n1", "n3", "n4")), frozenset({"n1"}), found)

    with pytest.raises(
        NotReady,
        match=r"within 5 s: n1 does not run, n3 is not Ready, n4 does not vote in etcd",
    ):
        find(lab)


def test_a_leaving_server_is_judged_by_those_that_run_and_stay() -> None:
    lab = FakeLab(record(("n1", "n3", "n4")), frozenset({"n3"}))

    found = servers.others_running(cast(Lab, lab), SERVERS[0])

    assert [node.name for node in found] == ["n4"]


@pytest.mark.parametrize(
    ("joined", "said"),
    [(("n1", "n3", "n4"), "of n3, n4 none can be asked"), (("n1",), "no other has joined yet")],
)
def test_a_server_without_which_nobody_is_left_stays(joined: tuple[str, ...], said: str) -> None:
    lab = FakeLab(record(joined), frozenset({"n3", "n4"}))

    with pytest.raises(LabError, match=f"without n1 there is no server left: {said}") as caught:
        servers.others_running(cast(Lab, lab), SERVERS[0])

    assert caught.value.hint == "lab up --name lab, or lab down --name lab"


def test_the_only_server_cannot_be_removed_and_the_way_to_three_is_told() -> None:
    lab = FakeLab(record(("n1", "n2"), make_nodes(2)))

    with pytest.raises(InvalidValue, match="n1 is the only server") as caught:
        nodes._refuse_only(cast(Lab, lab), lab.record.nodes[0])

    assert caught.value.hint == "lab down --name lab, then lab up --servers 3"


def test_an_election_is_waited_for_before_a_loss_of_quorum_is_told(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    def answer(server: Node) -> tuple[Member, ...]:
        return (
            member("n1", healthy=False),
            *(member(name, healthy=clock[0] >= 1.5) for name in ("n3", "n4")),
        )

    say(monkeypatch, answer)

    etcd.require_quorum(cast(Lab, None), SERVERS[1:], "n1")

    assert clock == [1.5]


def test_a_loss_of_quorum_is_told_when_no_leader_comes(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    say(monkeypatch, lambda _: (member("n1"), member("n3", healthy=False), member("n4")))

    with pytest.raises(LabError, match="without n1, etcd would lose its quorum"):
        etcd.require_quorum(cast(Lab, None), SERVERS[1:], "n1")


def test_the_next_server_is_asked_when_one_does_not_know_the_members(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(server: Node) -> tuple[Member, ...]:
        if server.name == "n3":
            raise LabError("n3 says nothing")
        return (member("n4"),)

    asked = say(monkeypatch, answer)

    assert etcd.ask(cast(Lab, None), SERVERS[1:])[0] == SERVERS[2]
    assert asked == ["n3", "n4"]


def test_a_member_is_taken_out_until_it_is_gone(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    left = [member("n1"), member("n3")]

    def forget(_lab: object, asked: Node, gone: Member) -> None:
        if not clock[0]:
            raise LabError("etcd has no leader")
        left.remove(gone)

    say(monkeypatch, lambda server: tuple(left))
    monkeypatch.setattr(etcd, "_forget", forget)

    etcd.take_out(cast(Lab, None), SERVERS[1:], "n1")

    assert [each.name for each in left] == ["n3"]


def test_the_api_is_asked_again_while_etcd_elects_a_leader(clock: list[float]) -> None:
    lab = cast(Lab, FakeLab(record(("n1",))))
    tries: list[float] = []

    def refuse_twice(_client: object) -> None:
        tries.append(clock[0])
        if len(tries) < 3:
            raise RequestRefused("etcdserver: leader changed", status=500)

    Cluster(lab, choose("kubeadm"), BOUNDS, Silent(), Done()).insist(refuse_twice)

    assert len(tries) == 3


def test_doors_lead_to_the_home_first_and_then_to_every_other_server() -> None:
    lost = nodes_of((2, 3, 4, 5), (3, 4))

    assert _leads_to(cast(Lab, FakeLab(record()))) == ("10.77.0.11", "10.77.0.13", "10.77.0.14")
    assert _leads_to(cast(Lab, FakeLab(record((), lost)))) == ("10.77.0.13", "10.77.0.14")
