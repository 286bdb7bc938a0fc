"""Three servers, and nodes that come and go: on real nodes with a stacked etcd."""

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from lab.kube.nodes import CONTROL_PLANE
from lab.lifecycle import etcd
from lab.lifecycle.access import run_on_node
from lab.lifecycle.lab import Lab
from lab.machines.topology import find_node
from lab.provision.diagnosis import Kind, diagnose
from lab.provision.kubeadm_phases import ca_hash
from tests.e2e.home import Home, Watch, interrupt, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("servers"), pytest.mark.timeout(400)]

NAME = "ha"


def steps(actions: list[dict[str, str]]) -> list[tuple[str, str]]:
    return sorted((action["target"], action["action"]) for action in actions)


def plan(home: Home, *options: str) -> list[tuple[str, str]]:
    return steps(home.json("up", "--name", NAME, "--plan", *options)["actions"])


def nodes_of(home: Home) -> dict[str, dict[str, Any]]:
    found = json.loads(home.lab("status", "--name", NAME, "--json").stdout)
    return {node["name"]: node for node in found["nodes"]}


def cut_power(home: Home, node: str) -> None:
    lab = Lab.load(home.paths, NAME)
    lab.sandbox.power_off([find_node(lab.record.nodes, node)])


@pytest.fixture(scope="module")
def made(shared_home: Home) -> Iterator[tuple[list[tuple[str, str]], list[tuple[str, str]]]]:
    """Bring up four nodes with three servers; give what was planned, and what was done."""
    options = ("--nodes", "4", "--servers", "3")
    planned = plan(shared_home, *options)
    assert NAME not in shared_home.names()
    done = shared_home.json("up", "--name", NAME, *options)
    yield planned, steps(done["done"])
    shared_home.must("down", "--name", NAME, "--yes")


@pytest.fixture
def home(made: object, shared_home: Home) -> Home:
    return shared_home


def test_what_was_planned_is_what_was_done(
    made: tuple[list[tuple[str, str]], list[tuple[str, str]]],
) -> None:
    planned, done = made

    assert planned == done
    assert ("n4", "join as server") in done


def test_a_lab_that_is_up_has_an_empty_plan(home: Home) -> None:
    assert plan(home) == []
    assert home.json("up", "--name", NAME)["done"] == []


def kept_free(home: Home) -> dict[str, bool]:
    """Return whether each server is kept free of what is scheduled."""
    found = json.loads(home.must("kubectl", "--name", NAME, "get", "nodes", "-o", "json"))
    return {
        item["metadata"]["name"]: any(
            taint["key"] == CONTROL_PLANE for taint in item["spec"].get("taints", [])
        )
        for item in found["items"]
        if CONTROL_PLANE in item["metadata"]["labels"]
    }


def voters(home: Home) -> list[str]:
    lab = Lab.load(home.paths, NAME)
    _, members = etcd.ask(lab, lab.record.server_nodes)
    return sorted(each.name for each in members if each.healthy and not each.learner)


def test_all_three_are_servers_and_only_the_first_is_kept_free(home: Home) -> None:
    assert kept_free(home) == {"n1": True, "n3": False, "n4": False}


def test_no_key_of_the_cluster_stays_where_it_was_only_on_its_way(home: Home) -> None:
    for node in ("n3", "n4"):
        said = home.must("ssh", "--name", NAME, node, "ls", "/run/lab")
        assert "pki.tar" not in said


def test_the_api_answers_while_the_first_server_has_no_power(home: Home) -> None:
    cut_power(home, "n1")

    assert wait_for(
        lambda: home.lab("kubectl", "--name", NAME, "get", "nodes").returncode == 0,
        timeout_s=60,
    )
    assert ("n1", "boot") in plan(home)
    assert steps(home.json("up", "--name", NAME)["done"]) == [("cluster", "check"), ("n1", "boot")]


def test_a_removal_that_breaks_the_quorum_changes_nothing(home: Home) -> None:
    cut_power(home, "n3")

    for node in ("n4", "n1"):
        done = home.lab("node", "remove", "--name", NAME, node, "--force", "--yes")

        assert done.returncode == 4
        assert f"without {node}, etcd would lose its quorum" in done.stderr
    assert {"n1", "n4"} <= nodes_of(home).keys()
    home.must("up", "--name", NAME)


def test_a_dead_first_server_is_removed_and_another_takes_its_place(home: Home) -> None:
    cluster = home.record(NAME)["identity"]
    cut_power(home, "n1")

    home.must("node", "remove", "--name", NAME, "n1", "--force", "--yes")

    assert "n1" not in nodes_of(home)
    assert voters(home) == ["n3", "n4"]
    assert kept_free(home) == {"n3": True, "n4": False}
    assert plan(home) == []

    running = home.begin("node", "add", "--name", NAME, "--server")
    assert wait_for(lambda: Watch(home, NAME).pids("n1"), timeout_s=60)
    running.kill()
    running.communicate()
    assert ("n1", "join as server") in plan(home)
    done = steps(home.json("up", "--name", NAME)["done"])

    assert ("n1", "join as server") in done
    assert ("n1", "make cluster") not in done
    assert home.record(NAME)["identity"] == cluster
    assert nodes_of(home).keys() == {"n1", "n2", "n3", "n4"}
    assert voters(home) == ["n1", "n3", "n4"]
    assert kept_free(home) == {"n1": True, "n3": False, "n4": False}
    assert plan(home) == []


@pytest.mark.long
def test_a_first_server_that_runs_is_drained_and_replaced(home: Home) -> None:
    home.must("node", "remove", "--name", NAME, "n1", "--yes")
    assert voters(home) == ["n3", "n4"]

    home.must("node", "add", "--name", NAME, "--server")

    found = nodes_of(home)
    assert (found["n1"]["role"], found["n1"]["ready"]) == ("server", True)
    assert kept_free(home) == {"n1": True, "n3": False, "n4": False}


@pytest.mark.long
def test_a_dead_server_is_removed_and_another_takes_its_place(home: Home) -> None:
    cut_power(home, "n3")
    home.must("node", "remove", "--name", NAME, "n3", "--force", "--yes")
    assert "n3" not in nodes_of(home)

    home.must("node", "add", "--name", NAME, "--server")

    found = nodes_of(home)
    assert (found["n3"]["role"], found["n3"]["ready"]) == ("server", True)
    assert plan(home) == []


def test_a_removal_that_was_killed_is_ended_by_the_next_up(home: Home) -> None:
    home.must("node", "add", "--name", NAME)
    watch = Watch(home, NAME)
    assert watch.joined()[-1] == "n5"

    running = home.begin("node", "remove", "--name", NAME, "n5", "--yes")
    assert wait_for(lambda: home.record(NAME)["removing"] == 5, timeout_s=60, every_s=0.001)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    for arguments in (("node", "add"), ("node", "remove", "n4", "--yes")):
        refused = home.lab(*arguments, "--name", NAME)
        assert "the removal of n5 was cut short" in refused.stderr
    # As after a power cut of the host: the cluster must run before the node can leave it.
    home.must("stop", "--name", NAME)

    planned = plan(home)
    assert ("n5", "remove") in planned
    assert ("n5", "boot") not in planned
    assert steps(home.json("up", "--name", NAME)["done"]) == planned
    assert "n5" not in nodes_of(home)
    assert not home.node(NAME, "n5").exists()


def test_a_node_that_was_being_added_joins_with_the_next_up(home: Home) -> None:
    running = home.begin("node", "add", "--name", NAME)
    assert wait_for(lambda: Watch(home, NAME).pids("n2"), timeout_s=30)
    assert wait_for(lambda: home.record(NAME)["node_count"] == 5, timeout_s=60)
    interrupt(running)

    assert ("n5", "join") in plan(home)
    home.must("up", "--name", NAME)

    assert nodes_of(home)["n5"]["ready"] is True


JOIN = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    token: {token}
    apiServerEndpoint: {endpoint}:6443
    caCertHashes: ["sha256:{pinned}"]
nodeRegistration: {{ignorePreflightErrors: [all]}}
timeouts: {{discovery: 5s}}
"""


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Kind.WRONG_TOKEN, {"token": "aaaaaa.0123456789abcdef"}),
        (Kind.CA_MISMATCH, {"pinned": "0" * 64}),
        (Kind.API_BLOCKED, {"endpoint": "10.77.0.12"}),
    ],
)
def test_what_the_real_kubeadm_says_of_a_join_that_cannot_be_is_named(
    home: Home, kind: Kind, wrong: dict[str, str]
) -> None:
    """The preflight of a join, on a node that has joined: it asks the API and changes nothing."""
    lab = Lab.load(home.paths, NAME)
    first, second = lab.record.nodes[:2]
    token = run_on_node(lab, first, "kubeadm token create --ttl 5m", timeout_s=60).strip()
    ca = run_on_node(lab, first, "cat /etc/kubernetes/pki/ca.crt", timeout_s=60)
    right = {"token": token, "endpoint": first.address, "pinned": ca_hash(ca)}
    config = JOIN.format(**right | wrong)

    said = run_on_node(
        lab,
        second,
        f"cat > /run/join.yaml <<'END'\n{config}END\n"
        "kubeadm join phase preflight --config /run/join.yaml 2>&1; rm /run/join.yaml",
        timeout_s=60,
    )

    found = diagnose(said)
    assert found, said
    assert found.kind == kind, said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("node", "remove", "n9", "--yes"), "no node 'n9' in this lab"),
        (("node", "add", "--count", "0"), "--count is 0"),
        (("node", "add", "--server"), "--servers is 4"),
        (("up", "--servers", "1"), "has 3 servers and --servers is 1"),
        (("up", "--servers", "2"), "--servers is 2"),
        (("up", "--nodes", "9"), "nodes and --nodes is 9"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(
    home: Home, arguments: tuple[str, ...], said: str
) -> None:
    before = home.record(NAME)

    done = home.lab(*arguments, "--name", NAME)

    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert home.record(NAME) == before
