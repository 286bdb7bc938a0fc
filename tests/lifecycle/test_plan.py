from dataclasses import replace

import pytest

from lab.lifecycle.plan import Action, Facts, of_own, plan
from lab.machines.topology import Node, make_nodes

NODES = make_nodes(4, servers=3)
NAMES = frozenset(node.name for node in NODES)
UP = Facts(
    nodes=NODES,
    network=True,
    keys=True,
    disks=NAMES,
    running=NAMES,
    joined=NAMES,
    kubeconfig=True,
    all_doors=("api", "service"),
    doors=(),
    unready="",
)


def steps(facts: Facts) -> list[tuple[str, str]]:
    return [(action.target, action.action) for action in plan(facts)]


def test_nothing_is_to_be_done_for_a_lab_that_is_up() -> None:
    assert plan(UP) == ()


def test_a_new_lab_is_made_from_the_host_upwards() -> None:
    assert steps(Facts(nodes=make_nodes(2), unbuilt=("etcd",))) == [
        ("host", "build etcd"),
        ("host", "make network"),
        ("host", "make keys"),
        ("n1", "make and boot"),
        ("n2", "make and boot"),
        ("host", "publish api"),
        ("n1", "prepare"),
        ("n1", "make cluster"),
        ("n2", "prepare"),
        ("n2", "join"),
        ("host", "write kubeconfig"),
        ("cluster", "check"),
    ]


def test_every_step_says_why() -> None:
    assert all(action.why for action in plan(Facts(nodes=NODES, unbuilt=("etcd",))))


def test_a_node_without_power_is_booted_and_the_cluster_looked_at() -> None:
    facts = replace(UP, running=NAMES - {"n2"}, unready="n2 does not run")

    assert plan(facts) == (
        Action("n2", "boot", "it is powered off"),
        Action("cluster", "check", "n2 does not run"),
    )


def test_a_new_node_joins_as_what_it_should_be() -> None:
    facts = replace(UP, joined=NAMES - {"n2", "n4"}, unready="it was changed")

    assert ("n4", "join as server") in steps(facts)
    assert ("n2", "join") in steps(facts)


def test_a_stop_that_was_cut_short_is_ended_first_and_then_all_is_booted() -> None:
    found = steps(replace(UP, leaving="stop"))

    assert found[0] == ("host", "end stop")
    assert [step for step in found if step[1] == "boot"] == [(n.name, "boot") for n in NODES]
    assert ("host", "publish service") in found
    assert ("n1", "prepare") not in found


def test_a_down_that_was_cut_short_is_ended_first_and_then_all_is_made_anew() -> None:
    found = steps(replace(UP, leaving="down"))

    assert found[0] == ("host", "end down")
    assert ("n1", "make cluster") in found


def test_a_removal_that_was_cut_short_is_ended_and_its_node_not_brought_back() -> None:
    found = steps(replace(UP, removing="n2", running=NAMES - {"n2"}, unready="n2 does not run"))

    assert found == [("n2", "remove"), ("cluster", "check")]


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({"doors": ("service",)}, ("host", "publish service")),
        ({"unready": "n2 is not Ready"}, ("cluster", "check")),
    ],
)
def test_one_thing_missing_is_one_thing_done(change: dict[str, object], step: object) -> None:
    assert step in steps(replace(UP, **change))  # type: ignore[arg-type]


def test_a_newer_version_upgrades_servers_first_and_checks_at_the_end() -> None:
    facts = replace(UP, version="v1.36.1", upgrade_to="v1.36.3", outdated=NODES[:2])

    assert steps(facts) == [
        ("n1", "upgrade to v1.36.3"),
        ("n2", "upgrade to v1.36.3"),
        ("cluster", "check"),
    ]


def test_a_lab_that_is_stopped_is_brought_up_before_it_is_upgraded() -> None:
    facts = replace(
        UP, running=frozenset(), unready="off", upgrade_to="v2.0.0", outdated=NODES, unbuilt=("x",)
    )

    found = steps(facts)

    assert found.index(("n1", "boot")) < found.index(("host", "build x"))
    assert found.count(("cluster", "check")) == 2


def test_machines_of_an_inventory_need_nothing_on_this_host() -> None:
    hosts = (Node(1, is_server=True, called="k1", at="192.0.2.11"), Node(2, called="k2"))

    assert steps(of_own(hosts, "kubeadm v1.36.3", ())) == [
        ("k1", "install kubeadm v1.36.3"),
        ("k1", "make cluster"),
        ("k2", "install kubeadm v1.36.3"),
        ("k2", "join"),
        ("host", "write kubeconfig"),
        ("cluster", "check"),
    ]


def test_a_new_machine_of_an_inventory_is_installed_and_joins() -> None:
    hosts = (Node(1, is_server=True, called="k1"), Node(2, called="k2"), Node(3, called="k3"))
    known = frozenset({"k1", "k2"})
    facts = replace(
        of_own(hosts, "k3s v1.36.3+k3s1", ()), joined=known, kubeconfig=True, unready="k3 is new"
    )

    assert steps(facts) == [
        ("k3", "install k3s v1.36.3+k3s1"),
        ("k3", "join"),
        ("cluster", "check"),
    ]


def test_after_a_removal_that_was_cut_short_the_machines_of_an_inventory_are_installed_anew() -> (
    None
):
    hosts = (Node(1, is_server=True, called="k1"),)
    facts = replace(of_own(hosts, "kubeadm v1.36.3", ()), leaving="down", joined=frozenset({"k1"}))

    assert steps(facts)[:2] == [("host", "end down"), ("k1", "install kubeadm v1.36.3")]


def test_a_first_server_that_was_lost_joins_the_cluster_that_there_is() -> None:
    facts = replace(UP, joined=NAMES - {"n1"}, unready="it was changed")

    assert ("n1", "join as server") in steps(facts)
    assert "make cluster" not in [action for _, action in steps(facts)]


def test_a_cluster_is_made_once_and_by_the_first_server() -> None:
    found = steps(replace(UP, joined=frozenset(), unready="it was never checked"))

    assert [target for target, action in found if action == "make cluster"] == ["n1"]
