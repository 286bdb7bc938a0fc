"""Machines that somebody already has: what is wrong with them is told, all of it, before a change.

They are Debian hosts in QEMU with systemd, cgroup v2, clocks of their own, and a user who has
sudo. What becomes of them is in test_own_cluster.py.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e import looks
from tests.e2e.home import Done
from tests.e2e.hosts import Hosts, hosts

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("own-hosts"), pytest.mark.timeout(900)]

# Emulated, a look at a host takes seconds.
BOUND_S = 120.0


# A change to a host, and what takes it back.
THEIR_CONTAINERD = (
    "mkdir -p /etc/containerd && echo theirs > /etc/containerd/config.toml",
    "rm -r /etc/containerd",
)
THEIR_SERVER = (
    "systemd-run --quiet --unit taken python3 -m http.server 6443 && "
    "until ss -ltn | grep -q :6443; do sleep 0.2; done",
    "systemctl stop taken",
)
NO_WAY_FROM_K2 = (
    "iptables -I INPUT -s 10.88.0.12 -j DROP",
    "iptables -D INPUT -s 10.88.0.12 -j DROP",
)
OTHER_PROCESSOR = (
    r"""printf '#!/bin/sh\n[ "$1" != -m ] || exec echo aarch64\nexec /usr/bin/uname "$@"\n' """
    "> /usr/local/bin/uname && chmod +x /usr/local/bin/uname",
    "rm /usr/local/bin/uname",
)


@pytest.fixture(scope="module")
def two() -> Iterator[Hosts]:
    with hosts(2, memory_mib=1536) as mine:
        yield mine


def plan(mine: Hosts, *arguments: str, **written: Any) -> Done:
    file = mine.inventory(**written)
    return mine.run_lab("up", "--plan", "--inventory", str(file), *arguments, timeout_s=BOUND_S)


def refused(mine: Hosts, *arguments: str, **written: Any) -> str:
    """Return what `lab up` said, which had to refuse and to change nothing anywhere."""
    file = mine.inventory(**written)
    done = mine.run_lab("up", "--inventory", str(file), *arguments, timeout_s=BOUND_S)
    assert done.returncode in (2, 4), done.stderr
    assert "nothing was changed" in done.stderr
    assert not mine.home.paths.lab("lab").exists()
    for machine in mine.machines.values():
        assert machine.run("test -e /var/lib/lab").status == 1
    return done.stderr


@contextmanager
def changed(mine: Hosts, name: str, change: str, undo: str) -> Iterator[None]:
    mine.vm(name).output(change)
    try:
        yield
    finally:
        mine.vm(name).output(undo)


def test_hosts_that_are_fit_get_a_plan_that_says_what_and_why_and_stay_as_they_are(
    two: Hosts,
) -> None:
    before = two.vm("k2").output(looks.SCRIPT, timeout_s=BOUND_S)

    done = plan(two, "--json")

    assert done.returncode == 0, done.stderr
    assert [(a["target"], a["action"]) for a in json.loads(done.stdout)["actions"]] == [
        ("k1", "install kubeadm v1.36.3"),
        ("k1", "make cluster"),
        ("k2", "install kubeadm v1.36.3"),
        ("k2", "join"),
        ("host", "write kubeconfig"),
        ("cluster", "check"),
    ]
    assert looks.compare(before, two.vm("k2").output(looks.SCRIPT, timeout_s=BOUND_S)) == []
    assert not two.home.paths.lab("lab").exists()


def test_what_is_wrong_with_the_list_is_told_all_at_once_and_no_host_is_asked(two: Hosts) -> None:
    overrides: Mapping[str, Mapping[str, Any]] = {
        "k2": {"address": "10.244.3.4"},
        "K3": {"ssh_hostname": "10.88.0.11"},
    }

    said = refused(two, servers=["k1", "k1", "K3"], overrides=overrides)

    assert "k1: it is listed 2 times" in said
    assert "there are 2 servers, but a cluster has 1 or 3: an even number" in said
    assert "'K3' cannot name a node" in said


def test_an_address_among_those_of_pods_is_told(two: Hosts) -> None:
    said = refused(two, overrides={"k2": {"address": "10.244.3.4"}})

    assert "k2: its address 10.244.3.4 is in the range of pods, 10.244.0.0/16" in said


def test_hosts_that_cannot_be_used_are_told_together_each_with_its_remedy(two: Hosts) -> None:
    overrides = {"k1": {"ssh_port": 2222}, "k2": two.changed_host_key("k2")}

    said = refused(two, overrides=overrides)

    assert "error: k1: unreachable: connect to host 10.88.0.11 port 2222" in said
    assert "error: k2: host key changed" in said
    assert "ssh-keygen -f" in said


def test_a_user_without_sudo_is_told_with_what_to_write_where(two: Hosts) -> None:
    said = refused(two, overrides={"k2": two.powerless()})

    assert "error: k2: no sudo" in said
    assert "visudo -f /etc/sudoers.d/lab" in said


def test_a_key_that_the_host_does_not_know_is_told(two: Hosts) -> None:
    said = refused(two, overrides={"k1": two.unauthorized_key("k1")})

    assert "error: k1: permission denied" in said


@pytest.mark.long
def test_an_unknown_host_key_is_taken_only_when_that_is_said(two: Hosts) -> None:
    unknown = two.unknown_host_key("k2")

    said = refused(two, overrides={"k2": unknown})
    told = plan(two, "--accept-new-host-keys", overrides={"k2": unknown})

    assert "error: k2: host key unknown" in said
    assert "--accept-new-host-keys" in said
    assert told.returncode == 0, told.stderr
    # To plan takes nothing for good.
    assert "error: k2: host key unknown" in refused(two, overrides={"k2": unknown})


def test_all_that_keeps_hosts_from_being_nodes_is_told_at_once(two: Hosts) -> None:
    with (
        changed(two, "k1", *THEIR_CONTAINERD),
        changed(two, "k1", *THEIR_SERVER),
        changed(two, "k1", *NO_WAY_FROM_K2),
        changed(two, "k2", *OTHER_PROCESSOR),
        changed(two, "k2", "date -s '+300 seconds'", "date -s '-300 seconds'"),
    ):
        said = refused(two)
        left = two.vm("k1").output("cat /etc/containerd/config.toml")

    assert "error: k1: port 6443/tcp is in use" in said
    assert "/etc/containerd/config.toml" in said
    assert left == "theirs\n"
    assert "error: k2: it is arm64, and the programs are for amd64" in said
    assert "error: k2: its clock is " in said
    assert "s ahead of the others" in said
    assert [line for line in said.splitlines() if "error: k2" in line and "10.88.0.11" in line]


@pytest.mark.long
def test_a_host_of_another_lab_is_told_and_left_alone(two: Hosts) -> None:
    mark = "mkdir -p /var/lib/lab && echo 'wxyz other' > /var/lib/lab/owner"
    with changed(two, "k2", mark, "rm -r /var/lib/lab"):
        done = plan(two)

    assert done.returncode == 4
    assert "error: k2: it is a node of the lab other (wxyz)" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--nodes", "3"], "--inventory says which nodes and servers there are"),
        (["--servers", "3"], "--inventory says which nodes and servers there are"),
    ],
    ids=" ".join,
)
def test_an_inventory_does_not_go_with_a_number_of_nodes(
    two: Hosts, arguments: list[str], told: str
) -> None:
    done = plan(two, *arguments)

    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())
