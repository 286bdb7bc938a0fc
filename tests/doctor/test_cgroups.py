from pathlib import Path

import pytest

from lab.doctor.cgroups import NEEDED_V1, SYSTEMD, Layout, cgroups, find_hierarchies, systemd


def v1_mounts(root: Path, *, without: str = "") -> str:
    lines = [
        f"cgroup {root}/{name} cgroup rw,relatime,{name} 0 0"
        for name in (*NEEDED_V1, SYSTEMD)
        if name != without
    ]
    return "\n".join(lines)


def v2_mounts(root: Path) -> str:
    return f"cgroup2 {root} cgroup2 rw,nosuid 0 0"


def make_v1(root: Path) -> Path:
    for name in (*NEEDED_V1, SYSTEMD):
        (root / name).mkdir()
    return write_mounts(root, v1_mounts(root))


def make_v2(root: Path, *, controllers: str, passed_on: str = "") -> Path:
    (root / "cgroup.controllers").write_text(controllers)
    (root / "cgroup.subtree_control").write_text(passed_on)
    return write_mounts(root, v2_mounts(root))


def write_mounts(root: Path, text: str) -> Path:
    table = root / "mounts"
    table.write_text(text)
    return table


def test_controllers_that_share_a_mount_are_all_found() -> None:
    found = find_hierarchies("cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0")

    assert found.v1 == {"cpu": Path("/sys/fs/cgroup/cpu,cpuacct")}


def test_the_layout_is_named(tmp_path: Path) -> None:
    v1, v2 = v1_mounts(tmp_path), v2_mounts(tmp_path)

    assert find_hierarchies(v1).layout is Layout.LEGACY
    assert find_hierarchies(f"{v1}\n{v2}").layout is Layout.HYBRID
    assert find_hierarchies(v2).layout is Layout.UNIFIED
    assert find_hierarchies("proc /proc proc rw 0 0").layout is Layout.NONE


def test_a_systemd_hierarchy_that_a_container_runtime_left_does_not_hide_v2() -> None:
    leftover = "cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0"

    assert find_hierarchies(f"{v2_mounts(Path('/x'))}\n{leftover}").layout is Layout.UNIFIED


def test_v1_with_all_controllers_writable_is_fine(tmp_path: Path) -> None:
    finding = cgroups(make_v1(tmp_path))

    assert finding.ok
    assert finding.detail == "cgroup v1, groups can be made"


def test_trying_leaves_no_group_behind(tmp_path: Path) -> None:
    cgroups(make_v1(tmp_path))

    assert not list(tmp_path.glob("*/*"))


def test_a_missing_v1_controller_is_named_with_the_command_that_mounts_it(tmp_path: Path) -> None:
    finding = cgroups(write_mounts(tmp_path, v1_mounts(tmp_path, without="pids")))

    assert (finding.ok, finding.detail) == (False, "cgroup v1: not mounted: pids")
    assert finding.fix == (
        "mkdir -p /sys/fs/cgroup/pids && mount -t cgroup -o pids cgroup /sys/fs/cgroup/pids"
    )


def test_a_hierarchy_in_which_no_group_can_be_made_is_named(tmp_path: Path) -> None:
    table = make_v1(tmp_path)
    (tmp_path / "memory").rmdir()

    finding = cgroups(table)

    assert not finding.ok
    assert finding.detail.endswith(f"made in {tmp_path}/memory: No such file or directory")
    assert finding.fix == f"mount -o remount,bind,rw {tmp_path}/memory"


def test_v2_with_its_controllers_is_fine(tmp_path: Path) -> None:
    finding = cgroups(make_v2(tmp_path, controllers="cpuset cpu io memory pids"))

    assert (finding.ok, finding.detail) == (True, "cgroup v2, groups can be made")


def test_v2_without_a_controller_is_unfit(tmp_path: Path) -> None:
    finding = cgroups(make_v2(tmp_path, controllers="cpu pids"))

    assert not finding.ok
    assert finding.detail.endswith("cpuset, memory")


def test_v2_below_the_root_cannot_pass_on_what_it_has_while_processes_are_in_it(
    tmp_path: Path,
) -> None:
    table = make_v2(tmp_path, controllers="cpu cpuset memory pids", passed_on="cpu pids")
    (tmp_path / "cgroup.type").write_text("domain\n")
    (tmp_path / "cgroup.procs").write_text("1\n")

    finding = cgroups(table)

    assert not finding.ok
    assert "passing on cpuset, memory" in finding.detail


def test_no_cgroups_at_all_are_unfit(tmp_path: Path) -> None:
    assert not cgroups(write_mounts(tmp_path, "proc /proc proc rw 0 0")).ok


def test_a_host_without_systemd_is_fine(tmp_path: Path) -> None:
    finding = systemd(tmp_path / "absent")

    assert finding.ok
    assert "not systemd" in finding.detail


@pytest.mark.parametrize(
    ("script", "ok", "detail"),
    [
        ("exit 0", True, "PID 1 is systemd, machined answers"),
        ("echo no bus >&2; exit 1", False, "exit status 1: no bus"),
        (None, False, "machinectl is missing"),
    ],
)
def test_on_a_host_with_systemd_machined_has_to_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, ok: bool, detail: str
) -> None:
    if script:
        (tmp_path / "machinectl").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "machinectl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    finding = systemd(booted=tmp_path)

    assert finding.ok is ok
    assert finding.detail.endswith(detail)
    assert (finding.fix is None) is ok
