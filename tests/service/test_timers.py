"""A lab's timers are shortened for a while: the undo is written first, and nothing stays."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.errors import CommandFailed, InvalidValue, NotReady, RequestRefused
from lab.lifecycle.lab import Lab
from lab.machines.topology import Node, make_nodes
from lab.paths import Caller
from lab.progress import Silent
from lab.provision.timers import Timers, ask_script, restore_script, shorten_script
from lab.provision.waiting import Missing
from lab.service import timers as module

FAST = Timers(node_monitor_grace_s=20, node_status_report_s=4)
USUAL = Timers(50, 300)
KIND = "kubeadm"


@dataclass
class Cluster:
    """A lab, its API and its nodes in one: each runs with timers, and scripts change them."""

    directory: Path
    nodes: tuple[Node, ...] = make_nodes(3)
    hosts: dict[int, Any] = field(default_factory=dict)
    version: str = "v1.36.3"
    versions: tuple[str, ...] = ("v1.36.3",)
    distribution: str = KIND
    ran: list[tuple[str, str]] = field(default_factory=list)
    left_when_changed: list[int] = field(default_factory=list)
    deaf: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    answers: bool = True
    pods: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.timers = {node.name: USUAL for node in self.nodes}
        self.paths = self
        self.caller = Caller(os.getuid(), os.getgid(), self.directory)

    @property
    def record(self) -> "Cluster":
        return self

    @property
    def home(self) -> Node:
        return self.nodes[0]

    @property
    def server_nodes(self) -> list[Node]:
        return [node for node in self.nodes if node.is_server]

    def run(self, _lab: object, node: Node, script: str, *, timeout_s: float) -> str:
        assert timeout_s
        if script == ask_script(KIND):
            return self._monitor(node)
        if node.name in self.broken:
            raise CommandFailed(f"{node.name} is broken")
        wanted = self._meant_by(node, script)
        self.ran.append((node.name, "short" if wanted == FAST else "usual"))
        self.left_when_changed.append(len(module.journal(lab_of(self)).open_changes()))
        if node.name not in self.deaf:
            self.timers[node.name] = wanted
        return ""

    def _meant_by(self, node: Node, script: str) -> Timers:
        if script == shorten_script(KIND, FAST, is_server=node.is_server):
            return FAST
        assert script == restore_script(KIND, is_server=node.is_server)
        return USUAL

    def _monitor(self, node: Node) -> str:
        if not self.answers:
            return "Unauthorized\n"
        grace = f"{self.timers[node.name].node_monitor_grace_s:g}s"
        return json.dumps({"NodeMonitorGracePeriod": grace, "NodeMonitorPeriod": "5s"})

    def get(self, path: str, **_query: str) -> dict[str, Any]:
        if path.endswith("/pods"):
            return {"items": self.pods}
        name = path.removeprefix("/api/v1/nodes/").removesuffix("/proxy/configz")
        if name in self.broken:
            raise RequestRefused("no route to it", status=503)
        report = f"{self.timers[name].node_status_report_s:g}s"
        frequency = {"nodeStatusReportFrequency": report}
        return {"kubeletconfig": {**frequency, "nodeLeaseDurationSeconds": 40}}


def lab_of(cluster: Cluster) -> Lab:
    found: Any = cluster
    return found  # type: ignore[no-any-return]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster(tmp_path)
    monkeypatch.setattr(module, "run_on_node", cluster.run)
    monkeypatch.setattr(module.readiness, "judge_cluster", lambda *_: Missing(()))
    monkeypatch.setattr(module, "POLL_S", 0.01)
    return cluster


def shortened(cluster: Cluster) -> Any:
    client: Any = cluster
    return module.shortened(lab_of(cluster), client, FAST, Silent())


def restore_left(cluster: Cluster) -> bool:
    client: Any = cluster
    return module.restore_left(lab_of(cluster), client, Silent())


def facts(cluster: Cluster) -> dict[str, Any]:
    client: Any = cluster
    return module.facts(lab_of(cluster), client)


def test_all_nodes_run_with_short_timers_within_and_with_the_usual_ones_after(
    cluster: Cluster,
) -> None:
    with shortened(cluster):
        within = dict(cluster.timers)

    assert set(within.values()) == {FAST}
    assert set(cluster.timers.values()) == {USUAL}
    assert not restore_left(cluster)


def test_the_undo_is_on_disk_before_the_first_node_is_changed(cluster: Cluster) -> None:
    with shortened(cluster):
        pass

    assert set(cluster.left_when_changed) == {1}


def test_servers_come_first(cluster: Cluster) -> None:
    with shortened(cluster):
        pass

    assert [name for name, _ in cluster.ran[:3]] == ["n1", "n2", "n3"]


def test_what_goes_wrong_within_leaves_no_short_timer(cluster: Cluster) -> None:
    with pytest.raises(RuntimeError, match="the run"), shortened(cluster):
        raise RuntimeError("the run went wrong")

    assert set(cluster.timers.values()) == {USUAL}


def test_a_node_that_does_not_take_them_is_named_and_all_are_set_back(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COUNTS_WITHIN_S", 0.05)
    cluster.deaf = {"n3"}

    with pytest.raises(NotReady, match="kubelet of n3: 300 s"), shortened(cluster):
        pytest.fail("it was not seen to count")

    assert set(cluster.timers.values()) == {USUAL}
    assert not restore_left(cluster)


def test_what_could_not_be_set_back_is_left_for_who_comes_next(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COUNTS_WITHIN_S", 0.05)
    with pytest.raises(NotReady, match="still short: n2 is broken") as caught, shortened(cluster):
        cluster.broken = {"n2"}
    cluster.broken = set()

    assert caught.value.hint == "sudo lab reset"
    assert restore_left(cluster)
    assert set(cluster.timers.values()) == {USUAL}
    assert not restore_left(cluster)


def test_a_node_that_runs_but_is_not_ready_is_waited_for(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [Missing(("n2 is not Ready",)), Missing(())]
    monkeypatch.setattr(
        module.readiness, "judge_cluster", lambda *_: said.pop(0) if said else Missing(())
    )

    with shortened(cluster):
        assert not said


def test_machines_of_an_inventory_keep_their_timers(cluster: Cluster) -> None:
    cluster.hosts = {1: object()}

    with pytest.raises(InvalidValue, match="inventory"), shortened(cluster):
        pytest.fail("they were changed")

    assert cluster.ran == []


def test_what_is_not_known_is_not_changed(cluster: Cluster) -> None:
    cluster.answers = False

    with pytest.raises(Exception, match="does not say its timers"), shortened(cluster):
        pytest.fail("what to set back was not known")

    assert cluster.ran == []


def tolerating(seconds: int) -> dict[str, Any]:
    taint = {"key": module.UNREACHABLE, "effect": "NoExecute", "operator": "Exists"}
    return {"spec": {"tolerations": [{**taint, "tolerationSeconds": seconds}]}}


def test_the_facts_are_read_from_what_runs(cluster: Cluster) -> None:
    cluster.pods = [tolerating(300), tolerating(300)]

    assert facts(cluster) == {
        "node_heartbeat_s": 10,
        "node_monitor_grace_s": 50,
        "node_monitor_grace_from": "controller manager",
        "node_monitor_period_s": 5,
        "toleration_s": 300,
    }


def test_the_facts_follow_the_timers(cluster: Cluster) -> None:
    with shortened(cluster):
        found = facts(cluster)

    assert (found["node_monitor_grace_s"], found["node_heartbeat_s"]) == (20, 4)


def test_a_grace_that_nobody_tells_is_that_of_the_version_and_says_so(cluster: Cluster) -> None:
    cluster.answers, cluster.version = False, "v1.31.4"

    found = facts(cluster)

    assert found["node_monitor_grace_s"] == 40
    assert found["node_monitor_grace_from"] == "version"


def test_what_cannot_be_known_is_left_out(cluster: Cluster) -> None:
    cluster.broken = {"n3"}

    assert {"node_heartbeat_s", "toleration_s"}.isdisjoint(facts(cluster))
