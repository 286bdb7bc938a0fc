from pathlib import Path

from benchmarks.idle import memory_used, node_groups


def make_group(directory: Path, **files: str) -> Path:
    directory.mkdir(parents=True)
    for name, content in files.items():
        (directory / name.replace("__", ".")).write_text(content)
    return directory


def test_page_cache_is_no_memory_used(tmp_path: Path) -> None:
    stat = "anon 70\nfile 30\ninactive_file 20\nactive_file 5\n"
    group = make_group(tmp_path / "n1", memory__current="100\n", memory__stat=stat)

    assert memory_used(group) == 75


def test_of_cgroup_v1_the_totals_of_the_hierarchy_count(tmp_path: Path) -> None:
    stat = "inactive_file 1\nactive_file 1\ntotal_inactive_file 20\ntotal_active_file 5\n"
    group = make_group(tmp_path / "n1", memory__usage_in_bytes="100\n", memory__stat=stat)

    assert memory_used(group) == 75


def test_nodes_are_found_below_the_labs_own_cgroup_of_the_controller(tmp_path: Path) -> None:
    for name in ("lab-abcd/n1", "lab-abcd/n2", "lab-wxyz/n1"):
        (tmp_path / "memory" / name).mkdir(parents=True)

    groups = node_groups("abcd", "memory", root=tmp_path)

    assert [group.name for group in groups] == ["n1", "n2"]


def test_nodes_are_found_in_the_labs_slice_of_a_unified_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / "lab.slice/lab-abcd.slice/lab-abcd-n1.scope").mkdir(parents=True)

    assert [g.name for g in node_groups("abcd", "memory", root=tmp_path)] == ["lab-abcd-n1.scope"]
