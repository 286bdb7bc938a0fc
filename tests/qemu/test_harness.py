"""The harness around QEMU: no way out of the machine, and no machine left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from lab.errors import InvalidValue
from tests.qemu import disks, uplinks, vm
from tests.qemu.image import Image
from tests.qemu.uplinks import Uplink
from tests.qemu.workplace import PREFIX, sweep, workplace

TESTER = """
import sys
from pathlib import Path
from tests.qemu.vm import running
with running(["sleep", "100"], log=Path(sys.argv[1])) as process:
    print(process.pid, flush=True)
    sys.stdin.read()
"""


def command(shares: Mapping[str, Path], uplink: Uplink) -> list[str]:
    return vm.command(
        Image(Path("/image")), shares, uplink=uplink, console=Path("/c"), memory_mib=512, cpus=1
    )


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_the_only_network_is_restricted_and_entered_by_loopback() -> None:
    argv = command({}, uplinks.restricted(2222))

    networks = [value for name, value in pairwise(argv) if name == "-netdev"]
    assert networks == ["user,id=uplink,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:2222-:22"]


@pytest.mark.parametrize(
    ("flags", "accelerators"),
    [("fpu svm", ["kvm", "tcg,thread=multi"]), ("fpu", ["tcg,thread=multi"])],
)
def test_kvm_is_tried_first_where_the_processor_virtualizes(
    tmp_path: Path, flags: str, accelerators: list[str]
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")

    options = vm.accelerators(tmp_path / "cpuinfo")

    assert options[1::2] == accelerators


def test_shares_are_attached_read_only_and_the_image_as_an_overlay() -> None:
    shares = {"owned": Path("/srv/a,b.ext4")}
    argv = command(shares, uplinks.restricted(2222))

    disk, share = [v for name, v in pairwise(argv) if name == "-drive"]
    assert "snapshot=on" in disk
    assert "readonly=on" in share
    assert "file=/srv/a,,b.ext4" in share


def test_the_machine_dies_with_its_tester(tmp_path: Path) -> None:
    tester = subprocess.Popen(
        [sys.executable, "-c", TESTER, str(tmp_path / "log")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    with tester:
        assert tester.stdout is not None
        pid = int(tester.stdout.readline())
        tester.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(pid)


def test_a_dead_testers_files_are_swept_and_a_living_ones_stay(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}dead").mkdir()

    with workplace(tmp_path) as alive:
        sweep(tmp_path)
        assert list(tmp_path.iterdir()) == [alive]

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("label", ["", "seventeen-letters", "a,b", "../up"])
def test_a_label_the_disk_cannot_carry_is_refused(tmp_path: Path, label: str) -> None:
    with pytest.raises(InvalidValue):
        disks.make(tmp_path, tmp_path / "disk", label=label)


def test_a_disk_has_room_for_many_small_files(tmp_path: Path) -> None:
    directory = tmp_path / "many"
    directory.mkdir()
    for number in range(600):
        (directory / f"{number}").write_text("x")

    image = disks.make(directory, tmp_path / "disk", label="many")

    assert image.stat().st_size == disks.measure(directory).size()
