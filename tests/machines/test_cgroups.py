from pathlib import Path

import pytest

from lab.machines import cgroups
from lab.machines.cgroups import Limits

GIB = 1024**3


@pytest.fixture
def hybrid(tmp_path: Path) -> Path:
    """A directory tree with the files of three version 1 hierarchies."""
    files = {
        "cpuset": ("cpuset.cpus", "cpuset.mems"),
        "memory": ("memory.limit_in_bytes",),
        "pids": ("pids.max",),
    }
    for controller, names in files.items():
        directory = tmp_path / controller
        directory.mkdir()
        for name in ("cgroup.procs", *names):
            (directory / name).write_text("0-1" if name.startswith("cpuset") else "")
    return tmp_path


def test_every_hierarchy_of_a_hybrid_host_is_found(hybrid: Path) -> None:
    assert [path.name for path in cgroups.hierarchies(hybrid)] == ["cpuset", "memory", "pids"]


def test_a_unified_host_has_one_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory")

    assert cgroups.hierarchies(tmp_path) == (tmp_path,)


def test_a_group_is_made_in_every_hierarchy(hybrid: Path) -> None:
    made = cgroups.make("lab-abcd/n1", Limits(GIB, 100, 1024), root=hybrid)

    assert made == [hybrid / c / "lab-abcd/n1" for c in ("cpuset", "memory", "pids")]
    assert all(path.is_dir() for path in made)


def test_removing_a_group_removes_what_is_below_it(hybrid: Path) -> None:
    (hybrid / "pids/lab-abcd/n1/kubepods/pod1").mkdir(parents=True)

    cgroups.remove("lab-abcd", root=hybrid)

    assert not (hybrid / "pids/lab-abcd").exists()


def test_processes_are_found_at_any_depth(hybrid: Path) -> None:
    deep = hybrid / "pids/lab-abcd/n1/kubepods"
    deep.mkdir(parents=True)
    (deep / "cgroup.procs").write_text("12\n13\n")

    assert cgroups.processes("lab-abcd/n1", root=hybrid) == {12, 13}


def test_the_first_node_gets_twice_what_another_gets() -> None:
    first, other = cgroups.share_out(70 * GIB, 6)

    assert (first.memory, other.memory) == (18 * GIB, 9 * GIB)
    assert first.cpu_shares == 2 * other.cpu_shares


def test_a_small_host_still_gives_each_node_what_a_kubelet_needs() -> None:
    _, other = cgroups.share_out(4 * GIB, 6)

    assert other.memory == 1536 * 1024**2


def test_every_server_gets_twice_what_another_node_gets() -> None:
    server, other = cgroups.share_out(70 * GIB, 6, servers=3)

    assert (server.memory, other.memory) == (14 * GIB, 7 * GIB)
