"""Machines that reach each other: no way out of their network, and nothing of it left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from lab.errors import CommandFailed
from lab.machines import inventory_reader, netns
from lab.machines.commands import run
from tests.e2e import hosts
from tests.qemu import recipe, uplinks, vm
from tests.qemu.image import Image
from tests.qemu.network import GATEWAY, network, sweep
from tests.qemu.vm import VM, together

TESTER = """
import subprocess, sys
from tests.qemu.network import network
with network() as made:
    made.attach("k1", 1)
    inside = subprocess.Popen(made.command(["sleep", "100"]), start_new_session=True)
    print(made.name, inside.pid, flush=True)
    sys.stdin.read()
"""
AHEAD_S = 300.0
# A machine's clock has whole seconds when it starts, and an emulated one answers late.
CLOCK_TOLERANCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Pair:
    k1: VM
    k2: VM


def booted(test: Callable[[Pair], None]) -> Callable[[Pair], None]:
    """Mark what needs machines: everything in them is emulated, which takes minutes."""
    marked: Callable[[Pair], None] = pytest.mark.long(pytest.mark.timeout(900)(test))
    return marked


def test_a_bridged_machine_is_started_in_the_namespace_and_reached_from_there() -> None:
    uplink = uplinks.bridged(
        "10.88.0.11", tap="k1", mac="52:54:00:58:00:01", namespace="lt-1", gateway=GATEWAY
    )
    argv = vm.command(
        Image(Path("/image")), {}, uplink=uplink, console=Path("/c"), memory_mib=512, cpus=1
    )

    networks = [value for name, value in pairwise(argv) if name == "-netdev"]
    assert networks == ["tap,id=uplink,ifname=k1,script=no,downscript=no"]
    assert uplink.command(argv) == ["nsenter", "--net=/run/netns/lt-1", "--", *argv]
    assert uplink.known_as == "10.88.0.11"
    assert "Address=10.88.0.11/24\nGateway=10.88.0.1\n" in uplink.inside


def test_a_clock_is_told_in_utc() -> None:
    argv = vm.command(
        Image(Path("/image")),
        {},
        uplink=uplinks.restricted(2222),
        console=Path("/c"),
        memory_mib=512,
        cpus=1,
        clock=1.0e9,
    )

    assert [v for name, v in pairwise(argv) if name == "-rtc"] == ["base=2001-09-09T01:46:40"]


@pytest.mark.e2e
def test_a_network_has_the_testers_address_and_no_link_that_leads_out() -> None:
    with network() as made:
        made.attach("k1", 1)
        links = json.loads(run(made.command(["ip", "-json", "-details", "link"])))
        kinds = {link["ifname"]: link.get("linkinfo", {}).get("info_kind") for link in links}
        routes = run(made.command(["ip", "route"]))

    assert kinds == {"lo": None, "hosts": "bridge", "k1": "tun"}
    assert "unreachable default" in routes
    assert f"src {GATEWAY}" in routes
    assert not netns.exists(made.name)


@pytest.mark.e2e
def test_networks_of_one_tester_do_not_know_each_other() -> None:
    with network() as one, network() as other:
        assert one.name != other.name
        assert {one.attach("k1", 1).namespace, other.attach("k1", 1).namespace} == {
            one.name,
            other.name,
        }


@pytest.mark.e2e
def test_a_dead_testers_network_is_swept_with_what_runs_there_and_a_living_ones_stays() -> None:
    name, pid = kill_a_tester()
    assert netns.exists(name)

    with network() as alive:
        sweep()
        assert netns.exists(alive.name)
        assert not netns.exists(name)

    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()


def kill_a_tester() -> tuple[str, int]:
    """Return the name of the network it left, and the pid of who is in there."""
    tester = subprocess.Popen(
        [sys.executable, "-c", TESTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    with tester:
        assert tester.stdout is not None
        name, pid = tester.stdout.readline().split()
        tester.send_signal(signal.SIGKILL)
    return name, int(pid)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Two machines, of which the second has a clock ahead; at the end nothing is left of them."""
    with network() as made:
        machines = [
            VM(name=name, uplink=made.attach(name, number), memory_mib=1024, ahead_s=ahead_s)
            for number, (name, ahead_s) in enumerate([("k1", 0.0), ("k2", AHEAD_S)], 1)
        ]
        with together(machines):
            yield Pair(*machines)
        assert not any(Path(f"/proc/{each.pid}").exists() for each in machines)
        assert not any(each.access.directory.exists() for each in machines)
    assert not netns.exists(made.name)


@booted
def test_each_machine_has_its_name_and_address(pair: Pair) -> None:
    shown = [each.output("hostname; cat /etc/hostname; ip route") for each in (pair.k1, pair.k2)]

    assert [text.split()[:2] for text in shown] == [["k1", "k1"], ["k2", "k2"]]
    assert [f"default via {GATEWAY}" in text for text in shown] == [True, True]
    assert ["src 10.88.0.11" in shown[0], "src 10.88.0.12" in shown[1]] == [True, True]


@booted
def test_machines_reach_each_other_and_the_tester(pair: Pair) -> None:
    for machine, other in ((pair.k1, "10.88.0.12"), (pair.k2, "10.88.0.11")):
        assert machine.output(f"ping -c 1 -W 10 {other} && ping -c 1 -W 10 {GATEWAY}")


@booted
def test_users_log_in_and_only_one_of_them_becomes_root(pair: Pair) -> None:
    for machine in (pair.k1, pair.k2):
        assert machine.output("sudo -n id -un", user=recipe.USER).strip() == "root"
        assert "password" in machine.run("sudo -n true", user=recipe.POWERLESS).errors


@booted
def test_the_key_for_inventories_lets_in_users_and_not_root(pair: Pair) -> None:
    key, other = (str(each) for each in (pair.k1.access.user_key, pair.k1.access.key))
    as_user, as_root = (
        [word.replace(other, key) for word in pair.k1.access.ssh("id -un", user=user)]
        for user in (recipe.USER, "root")
    )

    assert run(as_user).strip() == recipe.USER
    with pytest.raises(CommandFailed, match="Permission denied"):
        run(as_root)


@booted
def test_nothing_else_of_the_tester_is_reached(pair: Pair) -> None:
    with socket.create_server(("", 0)) as tester:
        port = tester.getsockname()[1]
        tried = [
            pair.k1.run(f"timeout 5 bash -c '</dev/tcp/{address}/{port}'")
            for address in (GATEWAY, *addresses())
        ]
        tester.settimeout(0)
        with pytest.raises(BlockingIOError):
            tester.accept()

    assert all(each.status != 0 for each in tried)


@booted
def test_who_looks_for_the_internet_is_told_at_once(pair: Pair) -> None:
    said = pair.k1.run("ping -c 1 -W 10 192.0.2.1").output

    assert f"From {GATEWAY} icmp_seq=1 Destination Host Unreachable" in said


@booted
def test_clocks_differ_as_asked(pair: Pair) -> None:
    ahead = [ahead_of_here(each) for each in (pair.k1, pair.k2)]

    assert ahead[0] == pytest.approx(0, abs=CLOCK_TOLERANCE_S)
    assert ahead[1] == pytest.approx(AHEAD_S, abs=CLOCK_TOLERANCE_S)


def ahead_of_here(machine: VM) -> float:
    before = time.time()
    there = float(machine.output("date +%s.%N"))
    return there - (before + time.time()) / 2


@booted
def test_the_kernel_has_what_nodes_need(pair: Pair) -> None:
    modules = "overlay br_netfilter vxlan nf_conntrack nft_compat xt_comment xt_MASQUERADE"

    pair.k1.output(f"modprobe --all {modules}")


def addresses() -> list[str]:
    """Return the tester's own addresses, other than loopback's."""
    links = json.loads(run(["ip", "-json", "-4", "address", "show", "scope", "global"]))
    return [each["local"] for link in links for each in link.get("addr_info", ())]


def test_an_inventory_is_read_as_it_was_meant(tmp_path: Path) -> None:
    data: dict[str, hosts.Data] = {
        "k1": {"ssh_hostname": "10.88.0.11", "_sudo": True},
        "k2": {},
    }
    overrides: dict[str, hosts.Data] = {
        "k1": {"_sudo": None, "ssh_port": 2222},
        "k9": {"ssh_hostname": "10.88.0.11"},
    }
    (tmp_path / "file.py").write_text(
        hosts.render(["k1"], ["k2", "k2", "k9"], hosts.lay_over(data, overrides))
    )

    groups = inventory_reader.read(str(tmp_path / "file.py"))["groups"]
    assert groups["server"]["hosts"] == [["k1", {"ssh_hostname": "10.88.0.11", "ssh_port": 2222}]]
    assert groups["agents"]["hosts"] == [
        ["k2", {}],
        ["k2", {}],
        ["k9", {"ssh_hostname": "10.88.0.11"}],
    ]
