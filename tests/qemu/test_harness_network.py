"""Machines that reach each other: no way out of their network, and nothing of it left behind."""

import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from lab.machines import inventory_file, inventory_reader, netns
from lab.machines.commands import run
from lab.machines.host_failure import Failure, Kind
from lab.machines.hosts import Answer, Outcome, Ssh, run_on_all
from tests.e2e import hosts
from tests.e2e.home import network_of, wait_for
from tests.e2e.hosts import Hosts
from tests.qemu import recipe, uplinks, vm
from tests.qemu.image import Image
from tests.qemu.network import GATEWAY, network, sweep
from tests.qemu.vm import VM

TESTER = """
import subprocess, sys
from pathlib import Path
from tests.qemu.network import network
from tests.qemu.vm import running
with network() as made:
    sleep = made.attach("k1", 1).command(["sleep", "100"])
    free = subprocess.Popen(sleep, start_new_session=True)
    with running(sleep, log=Path(sys.argv[1])) as tied:
        print(made.name, tied.pid, free.pid, flush=True)
        sys.stdin.read()
"""
AHEAD_S = 300.0
POD_RANGE = ipaddress.ip_network("10.244.0.0/16")
SERVICE_RANGE = ipaddress.ip_network("10.96.0.0/16")
# A machine's clock has whole seconds when it starts, and an emulated one answers late.
CLOCK_TOLERANCE_S = 10.0


def booted(test: Callable[..., None]) -> Callable[..., None]:
    """Mark what needs machines: everything in them is emulated, which takes minutes."""
    marked: Callable[..., None] = pytest.mark.long(pytest.mark.timeout(900)(test))
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
def test_a_dead_testers_network_is_swept_and_a_living_ones_stays(tmp_path: Path) -> None:
    name, tied, free = kill_a_tester(tmp_path / "log")
    assert has_ended(tied)
    assert netns.exists(name)

    with network() as alive:
        sweep()
        assert netns.exists(alive.name)
        assert not netns.exists(name)
        assert has_ended(free)


def kill_a_tester(log: Path) -> tuple[str, int, int]:
    """Return the name of the network it left, and two who were in there: as QEMU is, and as not."""
    tester = subprocess.Popen(
        [sys.executable, "-c", TESTER, str(log)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    with tester:
        assert tester.stdout is not None
        name, tied, free = tester.stdout.readline().split()
        tester.send_signal(signal.SIGKILL)
    return name, int(tied), int(free)


def has_ended(pid: int) -> bool:
    return wait_for(lambda: not network_of(pid), timeout_s=10)


@pytest.fixture(scope="module")
def pair() -> Iterator[Hosts]:
    """Two hosts, of which the second has a clock ahead; at the end nothing is left of them."""
    with hosts.hosts(2, clocks={"k2": AHEAD_S}, memory_mib=1024) as pair:
        yield pair
    for each in pair.machines.values():
        assert not Path(f"/proc/{each.pid}").exists()
        assert not each.access.directory.exists()
    assert not netns.exists(pair.network.name)
    assert not pair.home.directory.exists()


@booted
def test_each_host_has_its_name_and_address(pair: Hosts) -> None:
    for name, address in (("k1", "10.88.0.11"), ("k2", "10.88.0.12")):
        shown = pair.vm(name).output("hostname; cat /etc/hostname; ip route")

        assert shown.split()[:2] == [name, name]
        assert f"default via {GATEWAY}" in shown
        assert f"src {address}" in shown


@booted
def test_hosts_reach_each_other_and_the_tester(pair: Hosts) -> None:
    for name, other in (("k1", "10.88.0.12"), ("k2", "10.88.0.11")):
        assert pair.vm(name).output(f"ping -c 1 -W 10 {other} && ping -c 1 -W 10 {GATEWAY}")


@booted
def test_nothing_else_of_the_tester_is_reached(pair: Hosts) -> None:
    with socket.create_server(("", 0)) as tester:
        port = tester.getsockname()[1]
        tried = [
            pair.vm("k1").run(f"timeout 5 bash -c '</dev/tcp/{address}/{port}'")
            for address in (GATEWAY, *addresses())
        ]
        tester.settimeout(0)
        with pytest.raises(BlockingIOError):
            tester.accept()

    assert all(each.status != 0 for each in tried)


@booted
def test_who_looks_for_the_internet_is_told_at_once(pair: Hosts) -> None:
    said = pair.vm("k1").run("ping -c 1 -W 10 192.0.2.1").output

    assert f"From {GATEWAY} icmp_seq=1 Destination Host Unreachable" in said


@booted
def test_clocks_differ_as_asked(pair: Hosts) -> None:
    ahead = [ahead_of_here(each) for each in pair.machines.values()]

    assert ahead == [pytest.approx(wanted, abs=CLOCK_TOLERANCE_S) for wanted in (0.0, AHEAD_S)]


def ahead_of_here(machine: VM) -> float:
    before = time.time()
    there = float(machine.output("date +%s.%N"))
    return there - (before + time.time()) / 2


@booted
def test_the_kernel_has_what_nodes_need(pair: Hosts) -> None:
    modules = "overlay br_netfilter vxlan nf_conntrack nft_compat xt_comment xt_MASQUERADE"

    pair.vm("k1").output(f"modprobe --all {modules}")


@booted
def test_lab_logs_in_to_all_hosts_of_an_inventory_and_becomes_root(pair: Hosts) -> None:
    for name in pair.machines:
        assert pair.vm(name).output("sudo -n id -un", user=recipe.USER).strip() == "root"

    assert [each.out for each in answers(pair) if isinstance(each, Answer)] == ["root\n"] * 2


@booted
def test_an_inventory_is_wrong_in_the_way_that_was_asked_for(pair: Hosts) -> None:
    for overrides, kind in (
        (pair.powerless(), Kind.NO_SUDO),
        (pair.changed_host_key("k2"), Kind.KEY_CHANGED),
        (pair.unknown_host_key("k2"), Kind.KEY_UNKNOWN),
        (pair.unauthorized_key("k2"), Kind.DENIED),
        # A key of an inventory never lets in root.
        ({"ssh_user": "root", "_sudo": None}, Kind.DENIED),
        ({"ssh_port": 2222}, Kind.UNREACHABLE),
    ):
        well, failed = answers(pair, overrides)

        assert isinstance(well, Answer)
        assert isinstance(failed, Failure)
        assert failed.kind is kind


def answers(pair: Hosts, overrides: hosts.Data | None = None) -> list[Outcome]:
    """Run a script on k1 and k2, where `overrides` are for k2, with the code that lab has."""
    file = pair.inventory(overrides={"k2": overrides or {}})
    with pair.inside() as home:
        found = inventory_file.load(
            file, caller=home.paths.caller, pods=POD_RANGE, services=SERVICE_RANGE
        )
        ssh = Ssh(home=home.paths.caller.home)
        return list(run_on_all(found, "id -un", ssh=ssh).values())


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
