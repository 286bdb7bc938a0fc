"""In which order, and how many at once, do nodes join?"""

from types import SimpleNamespace
from typing import Any

import pytest

from lab.kube import nodes as kube_nodes
from lab.lifecycle.bounds import BOUNDS
from lab.lifecycle.cluster import Cluster
from lab.lifecycle.lab import Lab
from lab.lifecycle.plan import Done
from lab.lifecycle.record import Record
from lab.machines.topology import MAX_NODES, Node
from lab.paths import Paths
from lab.progress import Silent

RECORD = Record(
    name="lab",
    lab_id="zzzz",
    created="2026-01-01T00:00:00+00:00",
    node_count=MAX_NODES,
    distribution="k3s",
    version="v1.36.3+k3s1",
    artifacts={},
    joined=("n1",),
)


def test_no_more_agents_join_at_once_than_a_server_takes(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.lab("lab").mkdir(parents=True)
    lab = Lab.open(paths, RECORD)
    groups: list[list[str]] = []

    def join_phase(agents: tuple[Node, ...], *_: object) -> str:
        groups.append([agent.name for agent in agents])
        return "phase"

    monkeypatch.setattr(kube_nodes, "delete", lambda *_: None)
    monkeypatch.setattr(Cluster, "_run", lambda *_: {})
    distribution: Any = SimpleNamespace(join_phase=join_phase)
    done = Done()

    Cluster(lab, distribution, BOUNDS, Silent(), done)._join(None, None, {})  # type: ignore[arg-type]

    names = [f"n{number}" for number in range(2, MAX_NODES + 1)]
    assert groups == [names[:10], names[10:]]
    assert [action.target for action in done.actions] == names
