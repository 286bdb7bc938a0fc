"""The stand-in laid out as a release, as `--k3s-dir` takes it."""

import hashlib
from pathlib import Path

from lab.artifacts.k3s_lock import binary_file, images_file
from lab.artifacts.k3s_source import Directory
from lab.artifacts.recipe import architecture
from tests.k3s.build import build_standin, lock_of, make_release
from tests.k3s.conftest import VERSION


def test_a_release_has_the_files_that_its_list_says(tmp_path: Path, program: Path) -> None:
    release = make_release(tmp_path / "release", VERSION)
    source = Directory(release)

    lock = lock_of(release, VERSION)

    assert set(lock.hashes) == {binary_file(architecture()), images_file(architecture())}
    for name, expected in lock.hashes.items():
        assert source.copy(name, tmp_path / name, lambda done, total: None) == expected
    assert lock.hashes[binary_file(architecture())] == _hash(program)


def test_another_version_is_another_program_and_each_is_built_once(program: Path) -> None:
    other = build_standin("v1.36.4+k3s1")

    assert _hash(other) != _hash(program)
    assert build_standin(VERSION) == program


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
