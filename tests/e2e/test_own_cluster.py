"""A host with systemd, cgroup v2, a kernel and a clock of its own joins a cluster and leaves it.

The server is a machine as fast as this host (`tests.e2e.bare`). The agent is Debian in QEMU, with a
user who has sudo: where no processor virtualizes, an emulated server would take half an hour.
The tests go in the order of the file: each leaves the lab as the next one finds it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from lab.machines.topology import GATEWAY, find_node, make_nodes
from tests.e2e import looks
from tests.e2e.bare import Machines, machines
from tests.e2e.conftest import new_home
from tests.e2e.home import kill, wait_for
from tests.e2e.hosts import Data, OwnHome, data_of, render, shown_on
from tests.qemu import uplinks
from tests.qemu.vm import VM

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("own-cluster"), pytest.mark.timeout(1500)]

COMMAND_BOUND_S = 1400.0
# Each step of `lab up` may take that long where every instruction is emulated.
STEP_S = "900"
LOOK_BOUND_S = 300.0
AGENT = "k2"
# A second ahead is nothing that lab minds, and no two hosts of anybody agree to less.
AHEAD_S = 1.0


@dataclass(frozen=True, slots=True)
class Mixed:
    """A server k1 that shares our kernel and an agent k2 that does not, and how both were."""

    bare: Machines
    vm: VM
    before: dict[str, str]

    def inventory(self, *agents: str) -> str:
        data: dict[str, Data] = {"k1": self.bare.data("k1"), AGENT: data_of(self.vm)}
        file = self.bare.home.directory / "mixed.py"
        file.write_text(render(["k1"], agents, data))
        return str(file)

    def must(self, *arguments: str) -> str:
        with self.bare.inside() as home:
            return home.must(*arguments, timeout_s=COMMAND_BOUND_S)

    def up(self, *arguments: str) -> Any:
        told = ("--inventory", self.inventory(AGENT), "--timeout", STEP_S, "--json")
        return json.loads(self.must("up", *told, *arguments))

    def nodes(self) -> dict[str, bool]:
        """Return which node is ready; one that was slow to answer says so by the exit code."""
        with self.bare.inside() as home:
            done = home.lab("status", "--json", timeout_s=LOOK_BOUND_S)
        return {node["name"]: node["ready"] for node in json.loads(done.stdout)["nodes"]}

    def differences(self) -> dict[str, list[str]]:
        now = look(self.bare, self.vm)
        return {name: looks.compare(before, now[name]) for name, before in self.before.items()}


def look(bare: Machines, vm: VM) -> dict[str, str]:
    seen = vm.output(looks.SCRIPT, timeout_s=LOOK_BOUND_S)
    return {"k1": bare.run("k1", looks.SCRIPT), AGENT: seen}


@pytest.fixture(scope="module")
def mixed() -> Iterator[Mixed]:
    with new_home(searched=True, kind=OwnHome) as home:
        (home.directory / "home").mkdir(mode=0o700)
        with machines(home, 1) as bare, attached(bare) as vm:
            home.elsewhere = partial(shown_on, {AGENT: vm})
            try:
                yield Mixed(bare, vm, look(bare, vm))
            finally:
                bare.take_off()


def attached(bare: Machines) -> VM:
    """Return a host on the bridge of the machines' network, where their second one would be."""
    second = find_node(make_nodes(2), "n2")
    return VM(
        name=AGENT,
        uplink=uplinks.bridged(
            second.address,
            tap=bare.tap(AGENT),
            mac=uplinks.mac(second.number),
            namespace=bare.network,
            gateway=str(GATEWAY),
        ),
        memory_mib=2048,
        ahead_s=AHEAD_S,
    )


def test_what_up_does_is_what_the_plan_said(mixed: Mixed) -> None:
    planned = mixed.up("--plan")["actions"]
    assert mixed.differences() == {"k1": [], AGENT: []}

    done = mixed.up()

    assert steps(done["done"]) == steps(planned)
    assert done["phases"][-1]["phase"] == "Checking DNS, pods and services from every node"
    assert wait_for(lambda: mixed.nodes() == {"k1": True, AGENT: True}, timeout_s=LOOK_BOUND_S)


def test_a_second_up_finds_nothing_to_do_with_and_without_the_file(mixed: Mixed) -> None:
    assert mixed.up()["changed"] is False
    assert mixed.up("--plan")["actions"] == []
    assert "is up already" in mixed.must("up")


def test_ways_into_it_are_those_of_any_lab(mixed: Mixed) -> None:
    assert mixed.must("ssh", AGENT, "id -un; hostname").split() == ["root", AGENT]
    assert "kubelet" in mixed.must("logs", AGENT, "--unit", "kubelet", "--lines", "5")


def test_secrets_are_readable_by_root_only_and_in_no_command_line(mixed: Mixed) -> None:
    readable = (
        "find / -xdev -perm /044 -type f \\( -name '*.key' -o -name admin.conf -o "
        "-name kubelet.conf -o -name kube-proxy.conf \\) -not -path '/usr/*'"
    )
    assert mixed.vm.output(readable, timeout_s=LOOK_BOUND_S) == ""
    told = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; journalctl --no-pager -o cat"
    said = mixed.vm.output(told, timeout_s=LOOK_BOUND_S)
    assert "PRIVATE KEY" not in said
    assert not [w for w in said.split() if len(w) == 23 and w[6] == "." and w.islower()]


def test_a_node_that_is_removed_is_given_back_and_can_join_again(mixed: Mixed) -> None:
    mixed.must("node", "remove", AGENT, "--yes", "--timeout", STEP_S)

    assert list(mixed.nodes()) == ["k1"]
    assert mixed.differences()[AGENT] == []
    assert [AGENT, "join"] in [[a["target"], a["action"]] for a in mixed.up()["done"]]


def test_a_removal_that_is_killed_is_ended_by_down_and_nothing_is_left(mixed: Mixed) -> None:
    with mixed.bare.inside() as home:
        running = home.begin("down", "--yes")
        assert wait_for(mixed.bare.is_leaving, timeout_s=60)
        kill(running)

    mixed.must("down", "--yes")

    assert mixed.differences() == {"k1": [], AGENT: []}
    assert not mixed.bare.home.paths.lab("lab").exists()


def steps(actions: list[dict[str, str]]) -> list[tuple[str, str]]:
    return sorted((action["target"], action["action"]) for action in actions)
