"""What lab refuses before it changes anything: clear, with a hint, and nothing left."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lab import artifacts
from lab.artifacts import Artifact
from lab.lifecycle.cache import all_recipes
from lab.paths import find_paths
from lab.provision.distribution import choose
from tests.e2e.home import Home, Watch, copy_tree, make_path, wait_for

pytestmark = pytest.mark.e2e

NOBODY = 65534


@pytest.mark.parametrize("command", [["up"], ["down"], ["stop"], ["start"], ["ssh", "n1"]])
def test_who_is_not_root_is_told_so_with_the_command_that_helps(command: list[str]) -> None:
    done = subprocess.run(
        [
            *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
            *(sys.executable, "-m", "lab", *command),
        ],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 4
    assert re.search(f"Error: lab {command[0]} .*, which needs root", done.stderr)
    assert f"Hint: sudo lab {command[0]}" in done.stderr
    assert "Traceback" not in done.stderr


def test_all_missing_programs_are_named_before_anything_is_made(home: Home) -> None:
    home.path = make_path(home.directory / "bin", without=("systemd-nspawn", "nft"))

    done = home.lab("up")

    assert done.returncode == 4
    assert "Error: this host lacks what a lab needs: systemd-nspawn, nft" in done.stderr
    assert "Hint: sudo lab doctor --fix" in done.stderr
    assert home.names() == []


@contextmanager
def disk_of(home: Home, megabytes: int) -> Iterator[Path]:
    """Mount a file system of that size, in a file, where the labs of `home` lie."""
    image, data = home.directory / "disk.img", home.directory / "data"
    data.mkdir()
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(data)], check=True)
    try:
        yield data
    finally:
        home.remove_all()
        subprocess.run(["umount", str(data)], check=True)
        data.rmdir()


@pytest.fixture
def small_disk(home: Home) -> Iterator[Path]:
    with disk_of(home, megabytes=48) as data:
        yield data


@pytest.fixture
def large_disk(home: Home) -> Iterator[Path]:
    with disk_of(home, megabytes=8192) as data:
        yield data


def fill(disk: Path) -> None:
    """Take all blocks, without writing them, and then the last ones by writing."""
    space = os.statvfs(disk)
    with (disk / "filling").open("wb", buffering=0) as file, suppress(OSError):
        with suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, (space.f_bfree - 1024) * space.f_frsize)
        file.seek(0, os.SEEK_END)
        while True:
            file.write(bytes(4096))
            os.fsync(file.fileno())


def test_a_disk_that_fills_up_is_named_and_the_lab_can_still_be_removed(
    home: Home, large_disk: Path
) -> None:
    running = home.begin("up", "--nodes", "1")
    assert wait_for(lambda: Watch(home, "lab").pids("n1"), timeout_s=30), running.stderr
    running.kill()
    running.communicate()
    fill(large_disk)

    refused = home.lab("up")
    home.must("down", "--yes")

    assert refused.returncode == 4
    assert f"Error: no space left for {large_disk}" in refused.stderr
    assert "Hint: " in refused.stderr
    assert home.names() == []


def test_a_disk_that_is_too_small_is_refused_before_anything_is_made(
    home: Home, small_disk: Path
) -> None:
    done = home.lab("up", "--nodes", "1")

    assert done.returncode == 4
    assert "Error: not enough space: 0.0 GB free for" in done.stderr
    assert "Hint: lab artifacts prune" in done.stderr
    assert home.names() == []


@pytest.fixture
def own_cache(home: Home) -> Home:
    """Give the home a cache of its own with the real artifacts in it, by hard links."""
    real = find_paths()
    recipes = all_recipes()
    assert artifacts.missing(recipes, real) == [], "run lab artifacts build first"
    home.cache = home.directory / "cache"
    for artifact in artifacts.locate(recipes, real).values():
        copy_tree(artifact.path, home.paths.cache / "artifacts" / artifact.path.name)
    return home


def located(home: Home, name: str) -> Artifact:
    return artifacts.locate(choose("kubeadm").recipes(), home.paths)[name]


def damage(path: Path) -> None:
    """Change one byte in a copy: the file itself is shared with the real cache."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)


def test_a_corrupted_file_in_the_cache_is_named_and_can_be_pruned(own_cache: Home) -> None:
    home, artifact = own_cache, located(own_cache, "pause")
    broken = next(path for path in artifact.tree.rglob("*") if path.is_file())
    damage(broken)

    done = home.lab("up")
    pruned = home.must("artifacts", "prune", "--corrupt")

    assert done.returncode == 4
    assert f"Error: {broken} is damaged: expected sha256:" in done.stderr
    assert "Hint: lab artifacts prune --corrupt" in done.stderr
    assert home.names() == []
    assert "Freed" in pruned
    assert artifacts.missing(choose("kubeadm").recipes(), home.paths) == ["pause"]


def test_after_a_corrupted_artifact_was_replaced_the_next_command_goes_on(own_cache: Home) -> None:
    home, artifact = own_cache, located(own_cache, "pause")
    shutil.rmtree(artifact.path)
    copy_tree(find_paths().cache / "artifacts" / artifact.path.name, artifact.path)

    assert len(home.json("artifacts", "build")) == len(all_recipes())


def test_a_failing_build_is_told_with_its_reason_and_leaves_no_half_of_it(home: Home) -> None:
    home.cache = home.directory / "cache"
    home.path = make_path(home.directory / "bin", without=("mmdebstrap",))
    fake = home.directory / "bin/mmdebstrap"
    fake.write_text("#!/bin/sh\necho 'E: the disk fell off' >&2\nexit 25\n")
    fake.chmod(0o755)

    done = home.lab("up")

    assert done.returncode == 4
    assert "Error: " in done.stderr
    assert "the disk fell off" in done.stderr
    assert "Hint: " in done.stderr
    assert home.names() == []
    assert not (home.paths.cache / "partial").exists()
    assert home.json("artifacts", "list") == []
