"""Machines that somebody already has become a cluster, and are afterwards what they were.

The tests go in the order of the file: each leaves the lab as the next one finds it.
"""

from collections.abc import Iterator

import pytest

from tests.e2e.bare import Machines, machines
from tests.e2e.home import Home, kill, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("own-nodes"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def made(shared_home: Home) -> Iterator[Machines]:
    with machines(shared_home, 4) as booted:
        yield booted


def up(made: Machines, *agents: str, servers: tuple[str, ...] = ("k1",)) -> list[tuple[str, str]]:
    """Bring the lab to these machines; return what was done for it, sorted."""
    done = made.json("up", "--inventory", made.inventory(servers, agents))["done"]
    return sorted((each["target"], each["action"]) for each in done)


def plan(made: Machines, *agents: str) -> list[tuple[str, str]]:
    file = made.inventory(["k1"], agents)
    actions = made.json("up", "--plan", "--inventory", file)["actions"]
    return sorted((each["target"], each["action"]) for each in actions)


def test_what_up_does_is_what_the_plan_said(made: Machines) -> None:
    planned = plan(made, "k2")
    assert ("k2", "install kubeadm v1.36.3") in planned
    assert [made.differences(name) for name in made.names] == [[], [], [], []]

    assert up(made, "k2") == planned

    nodes = made.json("status")["nodes"]
    assert [(node["name"], node["ready"]) for node in nodes] == [("k1", True), ("k2", True)]


def test_a_second_up_finds_nothing_to_do_with_and_without_the_file(made: Machines) -> None:
    assert up(made, "k2") == []
    assert plan(made, "k2") == []
    assert "is up already" in made.must("up")


def test_ways_into_it_are_those_of_any_lab(made: Machines) -> None:
    status = made.json("status")

    assert (status["state"], status["api"]) == ("up", "https://10.77.0.11:6443")
    assert made.must("ssh", "k2", "id -un; hostname").split() == ["root", "n2"]
    assert "kubelet" in made.must("logs", "k2", "--unit", "kubelet", "--lines", "5")
    names = made.must("kubectl", "get", "nodes", "-o", "name").split()
    assert names == ["node/k1", "node/k2"]


@pytest.mark.parametrize(
    "command",
    [["stop"], ["start"], ["node", "add"], ["deploy"], ["logs", "k1", "--console"]],
    ids=" ".join,
)
def test_what_lab_has_no_power_over_is_refused(made: Machines, command: list[str]) -> None:
    done = made.lab(*command)

    assert done.returncode in (2, 4), done.stderr
    assert "inventory" in done.stderr


def test_another_lab_cannot_have_the_same_machines(made: Machines) -> None:
    done = made.lab("up", "--name", "other", "--inventory", made.inventory(["k1"], ["k2"]))

    assert done.returncode == 4
    assert done.stderr.count("it is a node of the lab lab (") == 2
    assert not made.home.paths.lab("other").exists()


def test_a_machine_that_comes_into_the_file_joins(made: Machines) -> None:
    planned = plan(made, "k2", "k3")
    assert ("k3", "join") in planned

    assert up(made, "k2", "k3") == planned


def test_a_machine_that_is_gone_from_the_file_is_not_taken_away(made: Machines) -> None:
    done = made.lab("up", "--inventory", made.inventory(["k1"], ["k2"]))

    assert done.returncode == 2
    assert "lab node remove --name lab k3" in done.stderr


def test_a_node_that_is_removed_is_given_back_and_can_join_again(made: Machines) -> None:
    made.must("node", "remove", "k2", "--yes")

    assert [node["name"] for node in made.json("status")["nodes"]] == ["k1", "k3"]
    assert made.differences("k2") == []
    assert ("k2", "join") in up(made, "k2", "k3")


def test_down_that_was_killed_goes_on_and_leaves_nothing(made: Machines) -> None:
    with made.inside() as home:
        running = home.begin("down", "--yes")
        assert wait_for(made.is_leaving, timeout_s=60)
        kill(running)

    made.must("down", "--yes")

    assert [made.differences(name) for name in made.names] == [[], [], [], []]
    assert not made.home.paths.lab("lab").exists()


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("test -e /var/lib/lab/owner", marks=pytest.mark.long),
        "test -e /var/lib/lab/stage",
        "test -e /var/lib/lab/init.started",
        pytest.param("test -e /var/lib/lab/init.done", marks=pytest.mark.long),
    ],
)
def test_an_up_that_was_killed_goes_on(made: Machines, moment: str) -> None:
    file = made.inventory(["k1"], ["k2"])
    with made.inside() as home:
        running = home.begin("up", "--inventory", file)
        happened = f"for i in $(seq 400); do {moment} && echo yes && break; sleep 0.1; done"
        assert made.run("k1", happened) == "yes\n"
        kill(running)

    done = made.json("up", "--inventory", file)["done"]

    assert done[-1] == {"target": "cluster", "action": "check"}
    made.must("down", "--yes")
    assert [made.differences(name) for name in ("k1", "k2")] == [[], []]


def test_three_servers_are_made_one_after_the_other(made: Machines) -> None:
    done = up(made, "k4", servers=("k1", "k2", "k3"))

    assert [each for each in done if each[1] == "join as server"] == [
        ("k2", "join as server"),
        ("k3", "join as server"),
    ]
    assert up(made, "k4", servers=("k1", "k2", "k3")) == []
    made.must("node", "remove", "k1", "--yes")
    assert made.differences("k1") == []
    again = up(made, "k4", servers=("k1", "k2", "k3"))
    assert ("k1", "join as server") in again
    assert ("k1", "make cluster") not in again
    made.must("down", "--yes")
    assert [made.differences(name) for name in made.names] == [[], [], [], []]
