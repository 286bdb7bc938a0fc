from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.doctor import capacity
from lab.doctor.capacity import GB, Place, judge_disk
from lab.paths import Caller, Paths


def place(name: str, needed: int, *, device: int = 1, free: int = 100) -> Place:
    return Place(Path(name), needed * GB, device, free * GB)


def write_sysctls(proc: Path, values: dict[str, int]) -> None:
    for name, value in values.items():
        file = proc / "sys" / name.replace(".", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")


def test_directories_on_one_file_system_need_the_sum() -> None:
    assert judge_disk([place("/c", 8, free=12), place("/d", 4, free=12)]).ok
    assert not judge_disk([place("/c", 8, free=11), place("/d", 4, free=11)]).ok


def test_a_file_system_that_is_large_does_not_help_another_that_is_full() -> None:
    finding = judge_disk([place("/c", 8, device=1), place("/d", 4, device=2, free=3)])

    assert not finding.ok
    assert "3.0 GB free for /d, needs 4 GB" in finding.detail


def test_a_cache_that_is_filled_needs_no_space() -> None:
    finding = judge_disk([place("/c", 0, device=1, free=0), place("/d", 4, device=2)])

    assert finding.ok
    assert "/c" not in finding.detail


def test_disk_is_measured_where_the_directories_will_be(tmp_path: Path) -> None:
    paths = Paths(Caller(0, 0, tmp_path), tmp_path / "a/c", tmp_path / "d", tmp_path / "s")

    finding = capacity.disk(paths, artifacts_cached=True)

    assert f"{tmp_path}/a/c and {tmp_path}/d, needs 4 GB" in finding.detail


@pytest.mark.parametrize(("kib", "ok"), [(3 * 1024**2, True), (3 * 1024**2 - 1, False)])
def test_six_nodes_need_three_gibibytes(tmp_path: Path, kib: int, ok: bool) -> None:
    (tmp_path / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable: {kib} kB\n")

    assert capacity.memory(nodes=6, proc=tmp_path).ok is ok


def test_little_memory_comes_with_the_number_of_nodes_that_fit(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text(f"MemAvailable: {1024**2} kB\n")

    finding = capacity.memory(nodes=6, proc=tmp_path)

    assert finding.detail == "1.0 GiB available, 6 nodes need 3 GiB"
    assert finding.fix == "end other programs, or lab up --nodes 2"


def test_low_inotify_limits_are_advice(tmp_path: Path) -> None:
    write_sysctls(tmp_path, {**capacity.INOTIFY, "fs.inotify.max_user_instances": 128})

    finding = capacity.inotify(proc=tmp_path)

    assert (finding.ok, finding.required) == (False, False)
    assert finding.fix == "sysctl -w fs.inotify.max_user_instances=512"


def test_limits_that_suffice_ask_for_nothing(tmp_path: Path) -> None:
    write_sysctls(tmp_path, capacity.INOTIFY | capacity.KEYS | capacity.TASKS)

    findings = [look(proc=tmp_path) for look in (capacity.inotify, capacity.keys, capacity.tasks)]

    assert [(finding.ok, finding.fix) for finding in findings] == [(True, None)] * 3


def test_too_few_process_ids_are_no_mere_advice(tmp_path: Path) -> None:
    write_sysctls(tmp_path, {**capacity.TASKS, "kernel.pid_max": 4096})

    finding = capacity.tasks(proc=tmp_path)

    assert (finding.ok, finding.required) == (False, True)
    assert finding.fix == "sysctl -w kernel.pid_max=16384"


@pytest.mark.parametrize("year", [1970, 2025, 2100])
def test_a_clock_that_cannot_be_right_is_found(year: int) -> None:
    finding = capacity.clock(datetime(year, 1, 1, tzinfo=UTC))

    assert not finding.ok
    assert finding.detail == f"it is {year}-01-01 00:00 UTC, which cannot be"


def test_a_clock_of_this_century_is_sane() -> None:
    assert capacity.clock(datetime(2027, 5, 1, tzinfo=UTC)).ok
