from dataclasses import replace

import pytest

from lab.errors import InvalidValue
from lab.kube.nodes import NodeStatus
from lab.lifecycle.versions import is_first, is_wanted, parse_version, remaining
from lab.machines.topology import make_nodes

NEW = "v1.36.3"


def status(name: str, version: str) -> NodeStatus:
    return NodeStatus(name, True, "", "", version, (), True)


def test_the_same_version_is_no_upgrade() -> None:
    assert not is_wanted(NEW, NEW, name="lab")


@pytest.mark.parametrize("present", ["v1.36.1", "v1.35.9", "v1.36.2+k3s1"])
def test_a_newer_patch_and_the_next_minor_are_upgrades(present: str) -> None:
    assert is_wanted(present, NEW, name="lab")


@pytest.mark.parametrize("present", ["v1.36.4", "v1.37.0", "v2.0.0"])
def test_a_step_back_is_refused_with_both_versions(present: str) -> None:
    with pytest.raises(InvalidValue, match=f"has {present}.*cannot go back"):
        is_wanted(present, NEW, name="lab")


@pytest.mark.parametrize("present", ["v1.34.9", "v0.36.0"])
def test_a_minor_version_cannot_be_left_out(present: str) -> None:
    with pytest.raises(InvalidValue, match=r"no minor version may be left out"):
        is_wanted(present, NEW, name="lab")


def test_what_is_no_version_is_told() -> None:
    with pytest.raises(InvalidValue, match="'latest' is no version"):
        parse_version("latest")


def test_servers_come_first_and_those_that_are_done_are_left_out() -> None:
    nodes = make_nodes(5, 3)
    found = [status("n1", NEW), status("n3", "v1.36.1")]

    assert [node.name for node in remaining(nodes, found, NEW)] == ["n3", "n4", "n2", "n5"]


def test_a_later_build_of_k3s_is_an_upgrade_and_an_earlier_one_a_step_back() -> None:
    assert is_wanted("v1.36.3+k3s1", "v1.36.3+k3s2", name="lab")
    with pytest.raises(InvalidValue, match="cannot go back"):
        is_wanted("v1.36.3+k3s10", "v1.36.3+k3s2", name="lab")


def test_a_server_that_answers_is_upgraded_before_one_that_does_not() -> None:
    nodes = make_nodes(4, 3)
    lost = replace(status("n1", "v1.36.1"), ready=False)
    learner = replace(status("n3", "v1.36.1"), votes=False)

    left = remaining(nodes, [lost, learner, status("n4", "v1.36.1")], NEW)

    assert [node.name for node in left] == ["n4", "n1", "n3", "n2"]


def test_what_is_done_once_is_done_by_the_first_server_of_all_that_is_upgraded() -> None:
    nodes = make_nodes(4, 3)
    n1, n2, n3, n4 = nodes

    assert is_first(n3, nodes, (n3, n1, n4, n2))
    assert not is_first(n1, nodes, (n3, n1, n4, n2))
    # n1 is done, and did it.
    assert not is_first(n3, nodes, (n3, n4, n2))
    assert not is_first(n2, nodes, (n2,))
