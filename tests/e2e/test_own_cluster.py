"""Machines that somebody already has become a cluster, and are afterwards what they were.

Two Debian hosts in QEMU: systemd, cgroup v2, kernels and clocks of their own, a user with sudo.
The tests go in the order of the file: each leaves the lab as the next one finds it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e import looks
from tests.e2e.home import Running, wait_for
from tests.e2e.hosts import Hosts, hosts

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]

COMMAND_BOUND_S = 2300.0
# Each step of `lab up` may take that long where every instruction is emulated.
STEP_S = "1500"


@dataclass(frozen=True, slots=True)
class Mine:
    """The hosts, and how each of them was before anything was put on it."""

    hosts: Hosts
    before: dict[str, str]

    def up(self, *arguments: str) -> Any:
        file = self.hosts.inventory()
        told = self.hosts.must(
            *("up", "--inventory", str(file), "--timeout", STEP_S, "--json", *arguments),
            timeout_s=COMMAND_BOUND_S,
        )
        return json.loads(told)

    def status(self) -> Any:
        return json.loads(self.hosts.must("status", "--json"))


def look(mine: Hosts, name: str) -> str:
    return mine.vm(name).output(looks.SCRIPT, timeout_s=300)


@pytest.fixture(scope="module")
def mine() -> Iterator[Mine]:
    with hosts(2) as made:
        yield Mine(made, {name: look(made, name) for name in made.machines})


def test_what_up_does_is_what_the_plan_said(mine: Mine) -> None:
    planned = mine.up("--plan")["actions"]

    done = mine.up()

    assert done["nodes"] == ["k1", "k2"]
    assert done["servers"] == ["k1"]
    # A plan goes node by node, and up works on all of them side by side.
    assert steps(done["done"]) == steps(planned)
    assert done["phases"][-1]["phase"] == "Checking DNS, pods and services from every node"


def test_a_second_up_finds_nothing_to_do_with_and_without_the_file(mine: Mine) -> None:
    assert mine.up()["changed"] is False
    assert mine.up("--plan")["actions"] == []
    assert "is up already" in mine.hosts.must("up")


def test_ways_into_it_are_those_of_any_lab(mine: Mine) -> None:
    status = mine.status()

    assert (status["state"], status["api"]) == ("up", "https://10.88.0.11:6443")
    assert mine.hosts.must("ssh", "k2", "id -un; hostname").split() == ["root", "k2"]
    assert "kubelet" in mine.hosts.must("logs", "k2", "--unit", "kubelet", "--lines", "5")
    nodes = mine.hosts.must("kubectl", "get", "nodes", "-o", "name").split()
    assert nodes == ["node/k1", "node/k2"]


def test_what_lab_has_no_power_over_is_refused(mine: Mine) -> None:
    for command in (["stop"], ["node", "add"], ["deploy"], ["logs", "k1", "--console"]):
        done = mine.hosts.run_lab(*command)
        assert done.returncode in (2, 4), command
        assert "inventory" in done.stderr


def test_another_lab_cannot_have_the_same_hosts(mine: Mine) -> None:
    file = mine.hosts.inventory()

    done = mine.hosts.run_lab("up", "--name", "other", "--inventory", str(file))

    assert done.returncode == 4
    assert done.stderr.count("it is a node of the lab lab (") == 2
    assert not mine.hosts.home.paths.lab("other").exists()


def test_secrets_are_readable_by_root_only_and_in_no_command_line(mine: Mine) -> None:
    readable = (
        "find / -xdev -perm /044 -type f \\( -name '*.key' -o -name admin.conf -o "
        "-name kubelet.conf -o -name kube-proxy.conf \\) -not -path '/usr/*'"
    )
    for name in mine.hosts.machines:
        assert mine.hosts.vm(name).output(readable, timeout_s=120) == ""
        told = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; journalctl --no-pager -o cat"
        said = mine.hosts.vm(name).output(told, timeout_s=120)
        assert "PRIVATE KEY" not in said
        assert not [w for w in said.split() if len(w) == 23 and w[6] == "." and w.islower()]


def test_a_node_that_is_removed_is_given_back_and_can_join_again(mine: Mine) -> None:
    mine.hosts.must("node", "remove", "k2", "--yes", "--timeout", STEP_S, timeout_s=COMMAND_BOUND_S)

    assert [node["name"] for node in mine.status()["nodes"]] == ["k1"]
    assert differences(mine, "k2") == []
    assert ["k2", "join"] in [[a["target"], a["action"]] for a in mine.up()["done"]]


def test_a_removal_that_is_killed_is_ended_by_down_and_nothing_is_left(mine: Mine) -> None:
    with mine.hosts.inside() as home:
        running = home.begin("down", "--yes")
        assert wait_for(lambda: leaving(mine), timeout_s=60)
        kill(running)

    mine.hosts.must("down", "--yes", timeout_s=COMMAND_BOUND_S)

    assert {name: differences(mine, name) for name in mine.hosts.machines} == {"k1": [], "k2": []}
    assert not mine.hosts.home.paths.lab("lab").exists()


def test_a_lab_is_made_of_them_anew_also_when_it_is_killed_in_the_midst(mine: Mine) -> None:
    with mine.hosts.inside() as home:
        file = mine.hosts.inventory()
        running = home.begin("up", "--inventory", str(file), "--timeout", STEP_S)
        started = "test -e /var/lib/lab/init.started"
        k1 = mine.hosts.vm("k1")
        assert wait_for(lambda: k1.run(started).status == 0, timeout_s=600, every_s=1)
        kill(running)

    done = mine.up()

    assert done["done"][-1] == {"target": "cluster", "action": "check"}
    mine.hosts.must("down", "--yes", timeout_s=COMMAND_BOUND_S)
    assert {name: differences(mine, name) for name in mine.hosts.machines} == {"k1": [], "k2": []}


def steps(actions: list[dict[str, str]]) -> list[tuple[str, str]]:
    return sorted((action["target"], action["action"]) for action in actions)


def kill(running: Running) -> None:
    running.kill()
    running.communicate()


def leaving(mine: Mine) -> bool:
    file = mine.hosts.home.paths.lab("lab") / "lab.json"
    return bool(json.loads(file.read_text())["leaving"])


def differences(mine: Mine, name: str) -> list[str]:
    return looks.compare(mine.before[name], look(mine.hosts, name))
