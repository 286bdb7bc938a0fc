"""What lab relies on where PID 1 is systemd, proved on such a host in a virtual machine."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import NodeDidNotBoot
from tests.qemu import image, project
from tests.qemu.vm import VM

# Everything is emulated: minutes. The real tier boots lab's own nodes on such a host instead.
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

CONTROLLERS = {"cpu", "cpuset", "memory", "pids"}
NETNS, BRIDGE, MACHINE, SCOPE = "labx", "lab0", "k7q2-n1", "lab-k7q2-n1.scope"
CGROUP = f"/sys/fs/cgroup/lab.slice/lab-k7q2.slice/{SCOPE}"
GATEWAY = "10.0.2.2"

PREPARE = f"""
set -e
ip netns add {NETNS}
nsenter --net=/run/netns/{NETNS} ip link add {BRIDGE} type bridge
nsenter --net=/run/netns/{NETNS} ip link set {BRIDGE} up
mkdir -p /srv/lab
mount -t tmpfs tmpfs /srv/lab
mkdir /srv/lab/upper /srv/lab/work /srv/lab/root
mount -t overlay overlay -o lowerdir=/,upperdir=/srv/lab/upper,workdir=/srv/lab/work /srv/lab/root
: > /srv/lab/root/etc/machine-id
rm /srv/lab/root/etc/systemd/system/multi-user.target.wants/*
"""

START = f"""
SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 SYSTEMD_SECCOMP=0 setsid \
systemd-run --quiet --scope --collect --unit={SCOPE} --slice=lab-k7q2.slice \
    -p Delegate=yes -p MemoryMax=1G -p TasksMax=2000 -p CPUWeight=200 -p TimeoutStopSec=15s \
nsenter --net=/run/netns/{NETNS} \
systemd-nspawn --quiet --boot --register=yes --keep-unit --machine={MACHINE} \
    --directory=/srv/lab/root --network-bridge={BRIDGE} --capability=all --bind=/dev/kmsg \
    --resolv-conf=off --console=pipe </dev/null >/srv/lab/console.log 2>&1 &
"""

LEADER = f"machinectl show --property=Leader --value {MACHINE}"


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as node roots are: with other owners, special modes and device nodes."""
    directory = tmp_path_factory.mktemp("owned")
    (directory / "program").write_text("")
    os.chown(directory / "program", 1234, 5678)
    (directory / "program").chmod(0o4755)
    os.mknod(directory / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (directory / "link").symlink_to("/nowhere")
    return directory


@pytest.fixture(scope="module")
def host(owned: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VM]:
    shares = project.shares(tmp_path_factory.mktemp("shares"))
    with VM({"owned": owned, **shares}) as vm:
        vm.output(PREPARE)
        yield vm


@pytest.fixture
def leader(host: VM) -> Iterator[int]:
    """The PID 1 of a node, which is started in a login session that then ends."""
    host.output("sudo sh", input=START, user="ops")
    leader_pid = int(wait_for(host, LEADER))
    yield leader_pid
    host.run(f"kill -KILL {leader_pid}")
    wait_for(host, f"! systemctl is-active --quiet {SCOPE}")


def wait_for(host: VM, condition: str, *, bound_s: int = 120) -> str:
    """Return what `condition` prints once it succeeds."""
    poll = f"until {condition}; do sleep 0.3; done 2>/dev/null"
    return host.output(f"timeout {bound_s} bash -c '{poll}'", timeout_s=bound_s + 30)


def test_systemd_finishes_its_boot(host: VM) -> None:
    state = host.run("systemctl is-system-running --wait", timeout_s=180).output.strip()

    assert state == "running", host.output("systemctl --failed --no-legend")


def test_only_the_unified_hierarchy_is_mounted(host: VM) -> None:
    types = {line.split()[2] for line in host.output("cat /proc/mounts").splitlines()}

    assert "cgroup2" in types
    assert "cgroup" not in types
    assert set(host.output("cat /sys/fs/cgroup/cgroup.controllers").split()) >= CONTROLLERS


def test_machined_answers(host: VM) -> None:
    service = "org.freedesktop.machine1 /org/freedesktop/machine1 org.freedesktop.machine1.Manager"

    # It counts the host itself among its machines; machinectl does not show that one.
    assert '".host" "host"' in host.output(f"busctl call {service} ListMachines")
    assert host.output("machinectl list --no-legend") == ""


def test_netem_delays_packets(host: VM) -> None:
    host.output(
        "ip netns add a && ip netns add b &&"
        " ip link add one netns a type veth peer name two netns b &&"
        " ip -n a addr add 192.0.2.1/24 dev one && ip -n a link set one up &&"
        " ip -n b addr add 192.0.2.2/24 dev two && ip -n b link set two up &&"
        " tc -n a qdisc add dev one root netem delay 400ms"
    )
    ping = host.output("nsenter --net=/run/netns/a ping -c 2 -i 1 -W 10 192.0.2.2")
    host.output("ip netns del a; ip netns del b")

    # The first of them also waits for the address to be resolved.
    assert float(ping.rpartition("= ")[2].split("/")[0]) >= 400


def test_nothing_leads_out_of_the_machine(host: VM) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tester:
        # QEMU's unrestricted network would lead from its gateway to the tester's loopback.
        port = tester.getsockname()[1]
        tried = host.run(f"timeout 5 bash -c '</dev/tcp/{GATEWAY}/{port}'")
        tester.settimeout(0)
        with pytest.raises(BlockingIOError):
            tester.accept()

    assert tried.status != 0
    assert f"default via {GATEWAY}" in host.output("ip route")


def test_a_user_with_sudo_logs_in(host: VM) -> None:
    assert host.output("id -un; sudo -n id -un", user="ops").split() == ["ops", "root"]


def test_shared_directories_keep_owners_modes_and_devices(host: VM) -> None:
    seen = host.output(
        "cd /mnt/owned && stat -c '%n %u:%g %a %F %t:%T' program null; readlink link"
    )

    assert seen.splitlines() == [
        "program 1234:5678 4755 regular empty file 0:0",
        "null 0:0 644 character special file 1:3",
        "/nowhere",
    ]
    assert "Read-only file system" in host.run("touch /mnt/owned/more").errors


def test_files_are_copied_in_and_out(host: VM, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("text")

    host.put(tmp_path / "there", "/root/there")
    host.get("/root/there", tmp_path / "back")

    assert (tmp_path / "back").read_text() == "text"


def test_the_project_runs_on_the_machine(host: VM) -> None:
    imported = "import paramiko, rich, yaml, lab; print(lab.__file__)"

    assert (
        host.output(f"{project.PYTHON} -c '{imported}'").strip() == "/mnt/project/lab/__init__.py"
    )


def test_what_the_machine_writes_does_not_reach_the_image(host: VM) -> None:
    disk = image.ensure().disk
    before = disk.stat().st_mtime_ns

    host.output("echo changed > /etc/motd && sync")

    assert disk.stat().st_mtime_ns == before


def test_machined_knows_a_node_and_its_scope(host: VM, leader: int) -> None:
    shown = host.output(f"machinectl show {MACHINE}").splitlines()

    assert {f"Unit={SCOPE}", f"Leader={leader}", "State=running"} <= set(shown)
    assert host.output(f"cat /proc/{leader}/cgroup").strip() == (
        f"0::{CGROUP.removeprefix('/sys/fs/cgroup')}/payload/init.scope"
    )


def test_a_node_gets_limits_and_delegated_controllers(host: VM, leader: int) -> None:
    limits = host.output(f"cd {CGROUP} && cat memory.max pids.max cpu.weight").split()
    # Writing from inside the node's own cgroup namespace, as its kubelet does.
    enter = f"echo $$ > {CGROUP}/payload/init.scope/cgroup.procs"
    enable = " ".join(f"+{name}" for name in sorted(CONTROLLERS))
    grant = f"cd /sys/fs/cgroup && echo {enable} > cgroup.subtree_control && mkdir kubepods"
    granted = host.output(
        f"{enter} && nsenter --target {leader} --all"
        f" sh -c '{grant} && cat kubepods/cgroup.controllers'"
    )

    assert limits == [str(1024**3), "2000", "200"]
    assert set(granted.split()) >= CONTROLLERS


@pytest.mark.usefixtures("leader")
def test_a_node_is_linked_to_the_bridge_of_the_namespace_only(host: VM) -> None:
    inside = host.output(f"nsenter --net=/run/netns/{NETNS} ip -brief link show master {BRIDGE}")

    assert inside.split("@")[0] == f"vb-{MACHINE}"
    assert MACHINE not in host.output("ip -brief link")


def test_a_power_cut_leaves_nothing_of_a_node(host: VM, leader: int) -> None:
    host.output(f"kill -KILL {leader}")

    wait_for(host, f"! systemctl is-active --quiet {SCOPE}", bound_s=60)
    assert_gone(host)


def test_a_clean_stop_leaves_nothing_of_a_node(host: VM, leader: int) -> None:
    wait_for(host, f"nsenter --target {leader} --all systemctl is-active --quiet multi-user.target")

    host.output(f"kill -RTMIN+4 {leader}")

    wait_for(host, f"! systemctl is-active --quiet {SCOPE}")
    assert_gone(host)


def assert_gone(host: VM) -> None:
    assert host.output("machinectl list --no-legend") == ""
    assert host.run(f"test -e {CGROUP}").status == 1
    assert host.output(f"nsenter --net=/run/netns/{NETNS} ip link show master {BRIDGE}") == ""
    left = "find /run/systemd/machines /run/systemd/nspawn -mindepth 1"
    empty = "-not -name locks -not -name propagate"
    assert host.output(f"{left} {empty}; ls -A /srv/lab | grep lck || true") == ""


def test_a_machine_that_does_not_answer_in_time_is_ended() -> None:
    slow = VM(boot_bound_s=0.5)

    with pytest.raises(NodeDidNotBoot, match=r"no sshd within 0\.5 s"):
        slow.__enter__()

    assert not Path(f"/proc/{slow.pid}").exists()
    assert not slow.access.directory.exists()
