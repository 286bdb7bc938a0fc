"""The k3s release: what is fetched is what it should be, or has no name in the cache."""

import json
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lab import artifacts
from lab.artifacts import k3s_lock
from lab.artifacts.k3s import K3sRelease
from lab.artifacts.k3s_lock import Lock, binary_file, checksums_file, images_file
from lab.artifacts.k3s_source import Directory, Release, Source, mirror
from lab.artifacts.recipe import architecture
from lab.errors import ArtifactCorrupt, ArtifactError, InvalidValue
from lab.paths import Paths
from lab.progress import Silent
from tests.artifacts.k3s_release import IMAGES, PROGRAM, VERSION, make_release, serving, sha256

ARCH = architecture()
OPEN = Lock(VERSION, {})
LOCKED = Lock(VERSION, {binary_file(ARCH): sha256(PROGRAM), images_file(ARCH): sha256(IMAGES)})


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return make_release(tmp_path / "mirror" / VERSION)


def fetch(paths: Paths, lock: Lock, source: Source) -> Path:
    recipe = K3sRelease(lock, source)
    return artifacts.ensure((recipe,), paths=paths, progress=Silent())["k3s"].tree


@pytest.mark.parametrize("lock", [OPEN, LOCKED])
def test_a_directory_with_the_files_of_a_release_is_taken(
    paths: Paths, release: Path, lock: Lock
) -> None:
    tree = fetch(paths, lock, Directory(release))

    assert (tree / "usr/local/bin/k3s").read_bytes() == PROGRAM
    assert (tree / "usr/local/bin/k3s").stat().st_mode & 0o777 == 0o755
    assert (tree / "usr/share/lab/k3s" / images_file(ARCH)).read_bytes() == IMAGES


def test_a_mirror_is_asked_for_the_version_with_its_plus_encoded_and_only_once(
    paths: Paths, release: Path
) -> None:
    with serving(release.parent) as (address, asked):
        fetch(paths, OPEN, mirror(address, VERSION))
        fetch(paths, OPEN, mirror(address, VERSION))

    assert asked == [
        f"/v1.36.3%2Bk3s1/{name}" for name in (checksums_file(ARCH), "k3s", images_file(ARCH))
    ]


@pytest.mark.parametrize("name", ["k3s", images_file(ARCH)])
def test_a_file_that_differs_from_the_releases_own_list_is_refused(
    paths: Paths, release: Path, name: str
) -> None:
    (release / name).write_bytes(b"changed")

    with pytest.raises(ArtifactCorrupt, match=rf"{name} has SHA-256 .*, expected"):
        fetch(paths, OPEN, Directory(release))

    assert artifacts.missing((K3sRelease(OPEN, Directory(release)),), paths) == ["k3s"]


def test_a_release_that_is_consistent_but_not_the_locked_one_is_refused(
    paths: Paths, release: Path
) -> None:
    make_release(release, program=b"another")

    with pytest.raises(ArtifactCorrupt, match=r"says that k3s has .*, and the lock says"):
        fetch(paths, LOCKED, Directory(release))


def test_without_a_list_of_checksums_the_lock_decides(paths: Paths, release: Path) -> None:
    (release / checksums_file(ARCH)).unlink()

    with pytest.raises(ArtifactError, match=f"there is no {checksums_file(ARCH)}"):
        fetch(paths, OPEN, Directory(release))
    assert fetch(paths, LOCKED, Directory(release)).is_dir()


def test_a_missing_file_is_named_with_its_address_and_the_other_ways(
    paths: Paths, release: Path
) -> None:
    (release / "k3s").unlink()

    with (
        serving(release.parent) as (address, _),
        pytest.raises(ArtifactError, match=r"v1\.36\.3%2Bk3s1/k3s cannot be had \(404") as caught,
    ):
        fetch(paths, OPEN, mirror(address, VERSION))

    assert "--k3s-dir DIR" in str(caught.value.hint)


def test_an_answer_that_ends_early_is_told_with_its_size(paths: Paths, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nshort")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ArtifactError, match=r"ended after 5 of 100 bytes|cannot be had"):
            Release(VERSION, f"http://127.0.0.1:{port}").copy("k3s", tmp_path / "k3s", _ignore)
        thread.join()


def _ignore(done: int, total: int) -> None:
    pass


def test_a_place_that_does_not_answer_is_given_up_within_its_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        there = Release(VERSION, f"http://127.0.0.1:{silent.getsockname()[1]}")

        assert not there.is_reachable(within_s=0.2)
        assert time.monotonic() - began < 2


def test_a_place_that_answers_is_reachable(release: Path) -> None:
    with serving(release.parent) as (address, _):
        assert Release(VERSION, address).is_reachable()


@pytest.mark.parametrize("url", ["", "ftp://example.org", "example.org/k3s", "/srv/k3s"])
def test_what_is_no_web_address_is_no_mirror(url: str) -> None:
    with pytest.raises(InvalidValue, match="--k3s-mirror is"):
        mirror(url, VERSION)


def test_where_it_came_from_does_not_change_the_key(release: Path) -> None:
    home, near = K3sRelease(OPEN, Release(VERSION)), K3sRelease(OPEN, Directory(release))

    assert home.inputs() == near.inputs()
    assert home.inputs() != replace(home, lock=LOCKED).inputs()


def test_the_lock_of_the_package_can_be_read() -> None:
    assert k3s_lock.read().version == VERSION


def test_a_lock_is_filled_from_the_lists_of_a_release(tmp_path: Path) -> None:
    lists = {
        checksums_file(arch): f"{sha256(b'1')}  {binary_file(arch)}\n"
        f"{sha256(b'2')}  {images_file(arch)}\n"
        for arch in ("amd64", "arm64")
    }

    k3s_lock.update("v1.36.4+k3s1", lists.__getitem__, tmp_path / "lock")

    lock = k3s_lock.read(tmp_path / "lock")
    assert lock.version == "v1.36.4+k3s1"
    assert lock.hashes["k3s-arm64"] == sha256(b"1")


def test_a_list_without_the_program_fills_no_lock(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"lists no k3s in sha256sum-amd64\.txt"):
        k3s_lock.update("v1", lambda name: "", tmp_path / "lock")

    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize("text", ["", "{}", '{"version": "v1", "amd64": {}, "arm64": {}}'])
def test_a_damaged_lock_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)

    with pytest.raises(ArtifactCorrupt, match="is no lock of k3s"):
        k3s_lock.read(tmp_path / "lock")


def test_a_hash_that_is_none_is_no_lock() -> None:
    value = json.loads(k3s_lock.FILE.read_text())
    value["amd64"]["binary_sha256"] = "abc"

    with pytest.raises(ValueError, match="'abc' is no SHA-256"):
        k3s_lock.parse(value)
