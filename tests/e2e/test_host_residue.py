"""Residue is found where a lab would really leave it, and nothing is found after the undo."""

import random
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.machines.commands import run
from lab.paths import Caller, Paths
from lab.residue import Fingerprint, Kind, compare, take_fingerprint

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
SYSCTL = Path("/proc/sys/kernel/panic_on_oops")


@pytest.fixture
def lab_id() -> str:
    # Names on the host must be free, whatever else runs there.
    return "".join(random.SystemRandom().choices(string.ascii_lowercase + string.digits, k=4))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    home = tmp_path / "home"
    return Paths(Caller(0, 0, home), home / "cache", home / "data", home / "state")


@pytest.fixture
def undo() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def cgroup_root() -> Path:
    unified = Path("/sys/fs/cgroup")
    return unified if (unified / "cgroup.controllers").exists() else unified / "memory"


def leave_residue(lab_id: str, data: Path, undo: ExitStack) -> dict[Kind, str]:
    """Leave one thing of each kind; return what each must be named."""
    name, root = f"lab-{lab_id}", data / "left/root"
    run(["ip", "netns", "add", name])
    undo.callback(run, ["ip", "netns", "delete", name])

    run(["ip", "link", "add", name, "type", "bridge"])
    undo.callback(run, ["ip", "link", "delete", name])
    run(["ip", "address", "add", "198.51.100.1/32", "dev", name])

    run(["nft", "-f", "-"], input=f"table inet {name} {{\n}}\n")
    undo.callback(run, ["nft", "delete", "table", "inet", name])

    for directory in ("lower", "upper", "work", "root"):
        (data / "left" / directory).mkdir(parents=True)
    options = ",".join(f"{d}dir={data}/left/{d}" for d in ("lower", "upper", "work"))
    run(["mount", "-t", "overlay", "overlay", "-o", options, str(root)])
    undo.callback(run, ["umount", str(root)])

    group = cgroup_root() / name
    (group / "n1").mkdir(parents=True)
    undo.callback(group.rmdir)
    undo.callback((group / "n1").rmdir)

    before = SYSCTL.read_text()
    SYSCTL.write_text("0" if before.strip() == "1" else "1")
    undo.callback(SYSCTL.write_text, before)

    temporary = Path("/tmp") / f"lab-{lab_id}-upload"
    temporary.touch()
    undo.callback(temporary.unlink)

    process = subprocess.Popen(["sh", "-c", f"read line; : --label={name}"], stdin=subprocess.PIPE)
    undo.callback(process.communicate)
    # Between fork and exec it has its parent's command line still.
    wait_for_command(process.pid, b"read line")
    return {
        Kind.NETNS: name,
        Kind.LINK: name,
        Kind.ADDRESS: f"{name} 198.51.100.1/32",
        Kind.RULES: f"nft table inet {name}",
        Kind.MOUNT: str(root),
        Kind.CGROUP: f"{name}/n1",
        Kind.SYSCTL: "kernel.panic_on_oops",
        Kind.TEMPORARY: str(temporary),
        Kind.PROCESS: f"{process.pid} sh -c read line; : --label={name}",
    }


def wait_for_command(pid: int, words: bytes) -> None:
    deadline = time.monotonic() + 5
    while words not in Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def of_this_lab(before: Fingerprint, after: Fingerprint, lab_id: str) -> set[tuple[Kind, str]]:
    """Return the residue of this test only: other tests may leave and undo theirs meanwhile."""
    return {
        (found.kind, found.what)
        for found in compare(before, after)
        if found.is_residue
        and (
            f"lab-{lab_id}" in found.what
            or "left/root" in found.what
            or found.what == "kernel.panic_on_oops"
        )
    }


def test_what_a_lab_leaves_is_named_and_after_the_undo_nothing_is(
    lab_id: str, paths: Paths, undo: ExitStack
) -> None:
    before = take_fingerprint(paths=paths)
    left = leave_residue(lab_id, paths.data, undo)

    found = of_this_lab(before, take_fingerprint(paths=paths), lab_id)
    undo.close()

    assert set(left.items()) <= found
    assert of_this_lab(before, take_fingerprint(paths=paths), lab_id) == set()


def test_every_kind_is_read_by_root_and_survives_json(paths: Paths) -> None:
    fingerprint = take_fingerprint(paths=paths)

    assert fingerprint.unread == {}
    assert set(fingerprint.facts) == set(Kind)
    assert Fingerprint.from_dict(fingerprint.to_dict()) == fingerprint


def test_a_fingerprint_takes_less_than_three_tenths_of_a_second(paths: Paths) -> None:
    def measure() -> float:
        started = time.monotonic()
        take_fingerprint(paths=paths)
        return time.monotonic() - started

    # The best of three: the host may have other work.
    assert min(measure() for _ in range(3)) < 0.3


def test_the_caller_and_its_parents_are_not_left_over(paths: Paths, lab_id: str) -> None:
    script = (
        "import sys; from lab.residue.processes import read_processes;"
        "sys.exit(any(sys.argv[1] in name for name in read_processes([])))"
    )
    shell = f'"$0" -c "$1" lab-{lab_id}; exit $?'

    done = subprocess.run(["sh", "-c", shell, sys.executable, script], cwd=ROOT, check=False)

    assert done.returncode == 0
