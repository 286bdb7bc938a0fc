"""A whole lab on a host run by systemd: `lab up` to `lab down` in a virtual machine."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.qemu import project
from tests.qemu.vm import VM, Result

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]

MEMORY_MIB = 6144
COMMAND_BOUND_S = 1200
# Each step of `lab up` may take that long where every instruction is emulated.
STEP_BOUND_S = 900
NODES = ["n1", "n2"]


@dataclass(frozen=True, slots=True)
class Host:
    """The machine, and the command `lab` on it."""

    vm: VM

    def run(self, *arguments: str) -> Result:
        command = f"{project.PYTHON} -m lab {' '.join(arguments)}"
        return self.vm.run(command, timeout_s=COMMAND_BOUND_S)

    def lab(self, *arguments: str) -> str:
        """Return what a command that has to succeed wrote to its standard output."""
        done = self.run(*arguments)
        assert done.status == 0, f"lab {' '.join(arguments)}: {done.status}\n{done.errors}"
        return done.output

    def json(self, *arguments: str) -> Any:
        return json.loads(self.lab(*arguments, "--json"))

    def lab_units(self) -> list[str]:
        listed = self.vm.output("systemctl list-units --all --plain --no-legend 'lab*'")
        return [line.split()[0] for line in listed.splitlines()]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    artifacts = project.artifacts()
    shares = project.shares(tmp_path_factory.mktemp("shares"))
    with VM({**shares, **artifacts}, memory_mib=MEMORY_MIB) as vm:
        vm.output(project.cached(artifacts))
        yield Host(vm)


@pytest.fixture(scope="module")
def up(host: Host) -> Any:
    """What the first `lab up` told."""
    return host.json("up", "--nodes", "2", "--timeout", str(STEP_BOUND_S))


def test_up_makes_a_cluster_whose_network_was_seen_to_work(host: Host, up: Any) -> None:
    assert (up["changed"], up["nodes"]) == (True, NODES)
    assert up["phases"][-1]["phase"] == "Checking DNS, pods and services from every node"
    status = host.json("status")
    assert status["state"] == "up"
    assert [(node["name"], node["running"], node["ready"]) for node in status["nodes"]] == [
        (name, True, True) for name in NODES
    ]


@pytest.mark.usefixtures("up")
def test_an_up_that_finds_all_in_place_changes_nothing(host: Host) -> None:
    assert host.json("up")["changed"] is False


@pytest.mark.usefixtures("up")
def test_pods_are_placed_by_the_nodes_systemd_below_the_nodes_scope(host: Host) -> None:
    driver = "grep cgroupDriver /var/lib/kubelet/config.yaml"
    etcd = "cat /proc/$(pgrep -x etcd)/cgroup"
    lab_id = json.loads(host.vm.output("cat ~/.local/share/lab/lab/lab.json"))["lab_id"]

    assert host.lab("ssh", "n2", f"'{driver}'").split() == ["cgroupDriver:", "systemd"]
    # As the host sees it: within what was delegated to the node, so within its limits.
    assert host.vm.output(etcd).startswith(
        f"0::/lab.slice/lab-{lab_id}.slice/lab-{lab_id}-n1.scope/payload/kubepods.slice/"
    )


@pytest.mark.usefixtures("up")
def test_a_stopped_lab_leaves_only_its_disks_and_starts_again_as_the_same_cluster(
    host: Host,
) -> None:
    uid = "kubectl get namespace kube-system -o 'jsonpath={.metadata.uid}'"
    before = host.lab(uid)

    host.lab("stop")

    stopped = host.run("status", "--json")
    assert (stopped.status, json.loads(stopped.output)["state"]) == (4, "stopped")
    assert host.vm.output("machinectl list --no-legend") == ""
    assert host.lab_units() == []
    assert "is up" in host.lab("start", "--timeout", str(STEP_BOUND_S))
    assert host.lab(uid) == before


@pytest.mark.usefixtures("up")
def test_after_down_nothing_differs_from_before(host: Host) -> None:
    host.lab("down", "--yes")

    differences = host.json("doctor", "--residue")
    assert [each for each in differences if each["blame"] == "lab"] == []
    assert host.lab_units() == []
    assert host.vm.output("find /run/systemd/nspawn /run/systemd/machines -mindepth 2") == ""
    assert host.run("status").status == 2
