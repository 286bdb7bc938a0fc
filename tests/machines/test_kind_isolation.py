"""Cutting nodes of kind off, on a Docker in memory: which containers are asked, and what."""

import pytest

from lab.errors import CommandFailed
from lab.machines import docker, kind_isolation
from lab.machines.kind import KindCluster
from lab.machines.topology import make_nodes
from tests.machines.fake_docker import FakeDocker

NODES = make_nodes(3)
OURS = KindCluster("lab-demo", "abcd")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    """Three nodes, of which the last is off."""
    made = FakeDocker()
    monkeypatch.setattr(docker, "run", made.run)
    for node in NODES:
        made.add(OURS.name, OURS.container(node), OURS.network)
    made.containers[OURS.container(NODES[2])].running = False
    return made


def asked(fake: FakeDocker) -> list[str]:
    return [name for name, _ in fake.scripts]


def test_a_cut_is_healed_while_another_node_is_off(fake: FakeDocker) -> None:
    kind_isolation.heal(OURS, NODES, "n2")

    assert asked(fake) == ["lab-demo-control-plane", "lab-demo-worker"]


def test_a_node_that_is_off_has_no_cuts(fake: FakeDocker) -> None:
    assert kind_isolation.cuts(OURS, NODES) == ()
    assert asked(fake) == ["lab-demo-control-plane", "lab-demo-worker"]


def test_a_node_is_cut_off_by_rules_in_itself_alone(fake: FakeDocker) -> None:
    kind_isolation.cut_node(OURS, NODES[1])

    ((name, script),) = fake.scripts
    assert name == "lab-demo-worker"
    assert "iptables -w -t raw -I PREROUTING -i eth0" in script
    assert "iptables -w -t mangle -I POSTROUTING -o eth0" in script
    assert script.count("--comment lab-cut-n2 -j DROP") == 2


def test_a_port_is_cut_in_both_directions_and_with_both_ends(fake: FakeDocker) -> None:
    kind_isolation.cut_port(OURS, NODES[1], "database", 5432)

    ((_, script),) = fake.scripts
    for way in ("-i eth0", "-o eth0"):
        for end in ("--sport", "--dport"):
            assert f"{way} -p tcp {end} 5432 -m comment --comment lab-cut-database" in script


def test_a_node_that_is_off_cannot_be_cut_and_is_named(fake: FakeDocker) -> None:
    with pytest.raises(CommandFailed, match="lab-demo-worker2 is not running"):
        kind_isolation.cut_node(OURS, NODES[2])
