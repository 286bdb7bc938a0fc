"""Nodes on a host run by systemd: lab's own sandbox of two of them, in a virtual machine."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lab.artifacts.kubeimages import PROBE
from lab.errors import CommandFailed
from lab.machines.cgroups import share_out
from lab.machines.topology import find_node
from tests.qemu import project, two_nodes
from tests.qemu.vm import VM

# Everything is emulated, and the first run builds the image.
pytestmark = [pytest.mark.e2e, pytest.mark.rotating("own-hosts"), pytest.mark.timeout(1200)]

ACTION_BOUND_S = 700
LAB = f"lab-{two_nodes.LAB_ID}"
SLICE = f"/sys/fs/cgroup/lab.slice/{LAB}.slice"
DIRECTORY = "/root/.local/share/lab/two"
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Host:
    """The machine, and the sandbox of two nodes on it."""

    vm: VM

    def two(self, action: str, *names: str) -> Any:
        command = f"{project.PYTHON} -m tests.qemu.two_nodes {' '.join([action, *names])}"
        return json.loads(self.vm.output(command, timeout_s=ACTION_BOUND_S))

    def on_node(
        self,
        name: str,
        command: str,
        *,
        known_hosts: str = f"{DIRECTORY}/keys/known_hosts",
        timeout_s: float = 60,
    ) -> str:
        """Log in as lab does: with its key, and to no machine but the one with the known key."""
        options = (
            f"-F none -n -i {DIRECTORY}/keys/login -o BatchMode=yes -o StrictHostKeyChecking=yes"
            f" -o UserKnownHostsFile={known_hosts} -o LogLevel=ERROR"
        )
        login = f"root@{find_node(two_nodes.NODES, name).address} -- {shlex.quote(command)}"
        enter = f"nsenter --net=/run/netns/{LAB}"
        return self.vm.output(f"{enter} ssh {options} {login}", timeout_s=timeout_s)

    def machines(self) -> list[str]:
        shown = self.vm.output("machinectl list --no-legend").splitlines()
        return [line.split()[0] for line in shown]

    def limits(self, name: str) -> list[int]:
        """Return bytes, tasks and weight, as the kernel has them."""
        scope = f"{SLICE}/{LAB}-{name}.scope"
        limits = self.vm.output(f"cd {scope} && cat memory.max pids.max cpu.weight")
        return list(map(int, limits.split()))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    artifacts = project.artifacts(two_nodes.LAYERS)
    shares = project.shares(tmp_path_factory.mktemp("shares"))
    with VM({**shares, **artifacts}) as vm:
        vm.output(project.cached(artifacts))
        host = Host(vm)
        host.two("note")
        host.two("make")
        yield host


@pytest.fixture
def two(host: Host) -> Host:
    """Both nodes are up, whatever the test before did to them."""
    host.two("boot")
    return host


def test_machined_knows_both_nodes_by_their_scopes(two: Host) -> None:
    assert two.machines() == ["k7q2-n1", "k7q2-n2"]
    for name in ("n1", "n2"):
        shown = two.vm.output(f"machinectl show k7q2-{name}").splitlines()
        root = f"RootDirectory={DIRECTORY}/nodes/{name}/root"
        assert {f"Unit={LAB}-{name}.scope", "State=running", root} <= set(shown)


def test_each_node_has_its_limits_and_n1_the_greater_weight(two: Host) -> None:
    total = int(two.vm.output("cat /proc/meminfo").split()[1]) * 1024
    first, other = share_out(total, len(two_nodes.NODES))

    # The kernel counts memory in whole pages.
    assert two.limits("n1") == [first.memory // PAGE * PAGE, first.tasks, 200]
    assert two.limits("n2") == [other.memory // PAGE * PAGE, other.tasks, 100]


def test_a_node_is_logged_in_to_by_its_known_key_and_is_wholly_up(two: Host) -> None:
    state = "systemctl is-system-running --wait; systemctl --failed --no-legend"

    assert two.on_node("n2", f"hostname; {state}", timeout_s=300).split() == ["n2", "running"]


def test_a_node_that_shows_another_host_key_is_refused(two: Host) -> None:
    known, swapped = f"{DIRECTORY}/keys/known_hosts", "/root/swapped"
    columns = f"<(cut -d' ' -f1 {known}) <(cut -d' ' -f2- {known} | tac)"
    two.vm.output(f"paste -d' ' {columns} > {swapped}")

    with pytest.raises(CommandFailed, match="Host key verification failed"):
        two.on_node("n1", "true", known_hosts=swapped)


def test_a_powered_off_node_is_gone_but_for_its_disk_and_boots_again_as_itself(two: Host) -> None:
    before = two.on_node("n2", "echo kept > /root/kept; sync; cat /etc/machine-id")

    two.two("power_off", "n2")

    assert two.two("running") == ["n1"]
    assert traces(two, "n2") == []
    assert two.vm.output(f"cat {DIRECTORY}/nodes/n2/upper/root/kept") == "kept\n"
    two.two("boot", "n2")
    assert two.on_node("n2", "cat /etc/machine-id /root/kept") == f"{before}kept\n"


def test_a_stopped_node_has_shut_down_in_order_and_is_gone_but_for_its_disk(two: Host) -> None:
    two.two("stop", "n2")

    assert two.two("running") == ["n1"]
    assert traces(two, "n2") == []
    journal = f"journalctl --directory {DIRECTORY}/nodes/n2/upper/var/log/journal --output cat"
    assert "Reached target poweroff.target" in two.vm.output(f"{journal} --lines 40")


def test_an_orphan_whose_nspawn_was_killed_is_cleaned_up_by_the_next_power_off(two: Host) -> None:
    (nspawn,) = two.vm.output("pgrep -f -- '^systemd-nspawn .*--machine=k7q2-n2'").split()
    two.vm.output(f"kill -KILL {nspawn}")
    # Such a node runs on, and its host still counts it as a machine.
    assert two.on_node("n2", "hostname") == "n2\n"
    assert "k7q2-n2" in two.machines()

    two.two("power_off", "n2")

    assert traces(two, "n2") == []


def test_a_prepared_node_runs_a_container_in_a_scope_of_its_systemd(two: Host) -> None:
    done = two.two("prepare", "n2")

    run = "ctr --namespace k8s.io run --detach --runc-systemd-cgroup --memory-limit 67108864"
    group = f"--cgroup system.slice:lab:one {PROBE} one"
    two.on_node("n2", f"{run} {group}", timeout_s=120)
    scope = "/sys/fs/cgroup/system.slice/lab-one.scope"
    limit = two.on_node("n2", f"cat {scope}/memory.max")
    two.on_node("n2", "ctr --namespace k8s.io tasks kill --signal KILL one")

    assert any("start containerd" in each for each in done)
    assert "SystemdCgroup = true" in two.on_node("n2", "containerd config dump")
    assert limit == "67108864\n"


def test_nothing_is_left_of_two_nodes_that_are_removed(two: Host) -> None:
    assert two.two("differences") != []

    two.two("remove")

    assert two.two("differences") == []
    assert two.machines() == []
    assert two.vm.output("systemctl list-units --all --plain --no-legend 'lab*'") == ""
    assert two.vm.run("ls -d /sys/fs/cgroup/lab*").status != 0
    assert two.vm.output("find /run/systemd/nspawn /run/systemd/machines -mindepth 2") == ""
    assert two.vm.run(f"ls -d {DIRECTORY}/nodes/n1").status != 0


def traces(host: Host, name: str) -> list[str]:
    """Return what of a node that does not run is to be seen on the host."""
    scope, root = f"{LAB}-{name}.scope", f"{DIRECTORY}/nodes/{name}/root"
    seen = {
        "machine": f"k7q2-{name}" in host.machines(),
        "unit": host.vm.run(f"systemctl list-units --all --plain --no-legend {scope}").output,
        "cgroup": host.vm.run(f"test -e {SLICE}/{scope}").status == 0,
        "link": host.vm.run(f"nsenter --net=/run/netns/{LAB} ip link show vb-k7q2-{name}").output,
        "mount": host.vm.run(f"mountpoint -q {root}").status == 0,
        "propagate": host.vm.run(f"test -e /run/systemd/nspawn/propagate/k7q2-{name}").status == 0,
        "locks": len(host.vm.output("ls /run/systemd/nspawn/locks").split()) > len(host.machines()),
    }
    return [what for what, there in seen.items() if there]
