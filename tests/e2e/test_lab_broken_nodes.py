"""A node that does not come up: told which and why, in time, and mended by the next command."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.e2e.home import Home

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("failures"), pytest.mark.timeout(300)]

INIT = "usr/lib/systemd/systemd"
UNITS = "etc/systemd/system"
NOWHERE = Path("/dev/null")
# Drops what comes from another node for this one's pods; the way of the API and SSH stays open.
BLOCKED = """
[Service]
ExecStartPre=/usr/sbin/nft "add table inet blocked; \
add chain inet blocked f { type filter hook forward priority -300; }; \
add rule inet blocked f iifname host0 drop"
"""


@pytest.fixture
def stopped(shared_home: Home) -> Home:
    """Return a home with a lab of two nodes that is stopped, its disks free to be broken."""
    if not shared_home.names():
        shared_home.must("up", "--nodes", "2")
    shared_home.must("stop")
    return shared_home


@contextmanager
def replaced(home: Home, file: str, *, disk: str = "upper") -> Iterator[Path]:
    """Give a file on a disk of n2, to be broken; mend it while the lab is stopped."""
    path = home.node("lab", "n2") / disk / file
    aside = home.directory / "aside"
    there = path.exists()
    if there:
        shutil.move(path, aside)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield path
    finally:
        home.must("stop")
        path.unlink()
        if there:
            shutil.move(aside, path)


def assert_mended(home: Home) -> None:
    assert "Lab lab is ready: 2 nodes" in home.must("up")
    assert home.json("status")["state"] == "up"


def test_a_node_whose_system_ends_at_once_is_named_with_its_console(stopped: Home) -> None:
    with replaced(stopped, INIT) as init:
        init.write_text("#!/bin/sh\necho the init is broken\nexit 1\n")
        init.chmod(0o755)
        done = stopped.lab("start")
        console = stopped.must("logs", "n2", "--console")

    assert done.returncode == 4
    assert "Error: n2 ended while it booted (console: " in done.stderr
    assert "the init is broken" in done.stderr
    assert "Hint: lab logs n2 --console" in done.stderr
    assert "the init is broken" in console
    assert_mended(stopped)


def test_a_node_that_boots_but_never_answers_is_given_up_in_time(stopped: Home) -> None:
    with replaced(stopped, f"{UNITS}/ssh.service") as unit:
        unit.symlink_to(NOWHERE)
        done = stopped.lab("start", "--timeout", "6")

    assert done.returncode == 4
    assert "Error: n2 did not answer on port 22 within 6 s (last: Connection refused" in done.stderr
    assert "Hint: lab logs n2 --console" in done.stderr


def test_a_node_without_a_kubelet_is_named_as_what_keeps_the_lab_from_ready(stopped: Home) -> None:
    with replaced(stopped, f"{UNITS}/kubelet.service") as unit:
        unit.symlink_to(NOWHERE)
        done = stopped.lab("start", "--timeout", "15")

    assert done.returncode == 4
    assert "did not become ready within 15 s: " in done.stderr
    assert "n2" in done.stderr.split("did not become ready")[1]
    assert "Hint: lab status, then lab logs n2 --unit kubelet" in done.stderr
    assert_mended(stopped)


def test_a_node_whose_disk_is_too_full_is_told_with_what_kubelet_says(stopped: Home) -> None:
    config = stopped.node("lab", "n2") / "kubelet/config.yaml"
    whole = yaml.safe_load(config.read_text())
    # More than any disk has left: kubelet then takes its own for full.
    whole["evictionHard"] = {"nodefs.available": "99.9%"}
    with replaced(stopped, config.name, disk="kubelet") as file:
        file.write_text(yaml.safe_dump(whole))
        done = stopped.lab("start", "--timeout", "40")

    assert done.returncode == 4
    assert "disk pressure: a file system of n2 is full, or nearly" in done.stderr
    assert "df -h on n2" in done.stderr
    assert_mended(stopped)


def test_pods_that_nothing_reaches_from_another_node_are_told_from_a_slow_start(
    stopped: Home,
) -> None:
    with replaced(stopped, f"{UNITS}/kubelet.service.d/99-blocked.conf") as unit:
        unit.write_text(BLOCKED)
        done = stopped.lab("start", "--timeout", "40")

    assert done.returncode == 4
    assert "pods of different nodes cannot reach each other" in done.stderr
    assert "pods on n1 do not reach those on n2" in done.stderr
    assert "ip route on n1 and n2" in done.stderr
    assert_mended(stopped)
