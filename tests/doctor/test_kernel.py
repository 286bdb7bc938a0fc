from pathlib import Path

from lab.doctor import kernel

MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /srv tmpfs rw 0 0
overlay /srv/deep overlay rw 0 0
"""


def test_the_file_system_is_that_of_the_longest_mount_point_above() -> None:
    assert kernel.file_system(Path("/srv/deep/er"), MOUNTS) == "overlay"
    assert kernel.file_system(Path("/srv/deeper"), MOUNTS) == "tmpfs"
    assert kernel.file_system(Path("/home"), MOUNTS) == "ext4"


def test_a_mount_that_covers_another_counts() -> None:
    assert kernel.file_system(Path("/srv"), MOUNTS + "/dev/vdb /srv xfs rw 0 0\n") == "xfs"


def test_the_nearest_parent_that_exists_stands_for_a_directory_to_be(tmp_path: Path) -> None:
    assert kernel.existing(tmp_path / "a/b/c") == tmp_path
    assert kernel.existing(tmp_path) == tmp_path


def test_a_missing_kernel_log_comes_with_the_command_that_makes_it(tmp_path: Path) -> None:
    finding = kernel.kmsg(tmp_path / "kmsg")

    assert not finding.ok
    assert finding.fix == f"mknod -m 600 {tmp_path}/kmsg c 1 11"


def test_a_kernel_log_that_cannot_be_read_is_unfit(tmp_path: Path) -> None:
    finding = kernel.kmsg(tmp_path)

    assert (finding.ok, finding.detail) == (False, f"{tmp_path} cannot be read: Is a directory")
