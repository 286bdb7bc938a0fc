"""The k3s release: what is fetched is what it should be, or has no name in the cache."""

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typing_extensions import override

from lab import artifacts
from lab.artifacts import Prune, k3s_seen, layout
from lab.artifacts.k3s import K3sRelease
from lab.artifacts.k3s_lock import Lock, binary_file, checksums_file, images_file
from lab.artifacts.k3s_source import Directory, Release, Source, mirror
from lab.artifacts.recipe import architecture
from lab.errors import ArtifactCorrupt, ArtifactError
from lab.paths import Paths
from lab.progress import Silent
from tests.artifacts.k3s_release import (
    IMAGES,
    PROGRAM,
    VERSION,
    make_release,
    serving,
    sha256,
    stalling,
)

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


def test_where_it_came_from_does_not_change_the_key(release: Path) -> None:
    home, near = K3sRelease(OPEN, Release(VERSION)), K3sRelease(OPEN, Directory(release))

    assert home.inputs() == near.inputs()
    assert home.inputs() != replace(home, lock=LOCKED).inputs()


def test_content_that_is_not_the_locked_one_gets_no_name(paths: Paths, release: Path) -> None:
    (release / checksums_file(ARCH)).unlink()
    (release / "k3s").write_bytes(b"changed")

    with pytest.raises(ArtifactCorrupt, match=f"k3s has SHA-256 .*, expected {sha256(PROGRAM)}"):
        fetch(paths, LOCKED, Directory(release))

    assert cached(paths) == []


def test_a_list_that_leaves_a_file_out_does_not_let_it_in(paths: Paths, release: Path) -> None:
    (release / checksums_file(ARCH)).write_text(f"{sha256(b'other')}  other-k3s\n")

    with pytest.raises(ArtifactCorrupt, match=r"lists no SHA-256 of k3s, and the lock"):
        fetch(paths, OPEN, Directory(release))


def test_a_page_in_place_of_the_list_is_told(paths: Paths, release: Path) -> None:
    (release / checksums_file(ARCH)).write_text("<!DOCTYPE html>\n")

    with pytest.raises(ArtifactCorrupt, match="is no list of checksums"):
        fetch(paths, OPEN, Directory(release))


def test_modes_do_not_depend_on_a_umask(paths: Paths, release: Path) -> None:
    before = os.umask(0o077)
    try:
        tree = fetch(paths, OPEN, Directory(release))
    finally:
        os.umask(before)

    modes = {each.name: each.stat().st_mode & 0o777 for each in tree.rglob("*") if each.is_file()}
    assert modes == {"k3s": 0o755, images_file(ARCH): 0o644}


def test_it_is_listed_and_pruned_like_any_other(paths: Paths, release: Path) -> None:
    recipe = K3sRelease(OPEN, Directory(release))
    fetch(paths, OPEN, Directory(release))
    (found,) = artifacts.list_artifacts(paths)
    artifacts.verify(found.artifact, thorough=True)

    kept = artifacts.prune(paths, what=Prune.OLD, keep=(), recipes=(recipe,))
    gone = artifacts.prune(paths, what=Prune.OLD, keep=(), recipes=())

    assert kept.removed == ()
    assert gone.removed == (found.artifact.path.name,)


def cached(paths: Paths) -> list[str]:
    return [each.artifact.name for each in artifacts.list_artifacts(paths)]


def test_who_fetches_without_a_lock_is_told_of_trust_on_first_use(
    paths: Paths, release: Path
) -> None:
    progress = Silent()
    artifacts.ensure((K3sRelease(OPEN, Directory(release)),), paths=paths, progress=progress)
    artifacts.prune(paths, what=Prune.ALL, keep=(), recipes=())
    known = Silent()
    artifacts.ensure((K3sRelease(LOCKED, Directory(release)),), paths=paths, progress=known)

    assert all("trusted on first use" in title for title, _ in progress.finished)
    assert len(progress.finished) == len(known.finished) == 2
    assert not any("first use" in title for title, _ in known.finished)


def test_a_release_that_changed_since_its_first_use_is_refused(paths: Paths, release: Path) -> None:
    fetch(paths, OPEN, Directory(release))
    artifacts.prune(paths, what=Prune.ALL, keep=(), recipes=())
    make_release(release, program=b"another")

    with pytest.raises(ArtifactCorrupt, match=f"on first use it had {sha256(PROGRAM)}") as caught:
        fetch(paths, OPEN, Directory(release))

    assert f"rm {k3s_seen.file(paths)}" in str(caught.value.hint)
    assert cached(paths) == []


def test_the_same_release_is_taken_again_and_another_version_beside_it(
    paths: Paths, release: Path
) -> None:
    fetch(paths, OPEN, Directory(release))
    artifacts.prune(paths, what=Prune.ALL, keep=(), recipes=())
    fetch(paths, OPEN, Directory(release))
    make_release(release, program=b"another")

    fetch(paths, Lock("v1.36.4+k3s1", {}), Directory(release))

    assert k3s_seen.read(paths, VERSION)["k3s"] == sha256(PROGRAM)
    assert k3s_seen.read(paths, "v1.36.4+k3s1")["k3s"] == sha256(b"another")


def test_what_was_seen_of_one_architecture_stays_when_another_is_seen(paths: Paths) -> None:
    paths.cache.mkdir(parents=True)
    k3s_seen.remember(paths, VERSION, {"k3s": sha256(b"1")})
    k3s_seen.remember(paths, VERSION, {"k3s-arm64": sha256(b"2")})

    assert k3s_seen.read(paths, VERSION) == {"k3s": sha256(b"1"), "k3s-arm64": sha256(b"2")}


def test_a_release_is_trusted_anew_when_its_first_use_is_forgotten(
    paths: Paths, release: Path
) -> None:
    fetch(paths, OPEN, Directory(release))
    artifacts.prune(paths, what=Prune.ALL, keep=(), recipes=())
    make_release(release, program=b"another")
    k3s_seen.file(paths).unlink()

    assert (fetch(paths, OPEN, Directory(release)) / "usr/local/bin/k3s").read_bytes() == b"another"


def test_what_the_lock_knows_is_not_of_first_use(paths: Paths, release: Path) -> None:
    fetch(paths, LOCKED, Directory(release))

    assert not k3s_seen.file(paths).exists()


@pytest.mark.parametrize("text", ["", "[]", '{"v1": 1}', '{"v1": {"k3s": "abc"}}'])
def test_a_damaged_memory_of_first_use_lets_nothing_in(
    paths: Paths, release: Path, text: str
) -> None:
    paths.cache.mkdir(parents=True)
    k3s_seen.file(paths).write_text(text)

    with pytest.raises(ArtifactCorrupt, match=r"k3s-first-use\.json is damaged"):
        fetch(paths, OPEN, Directory(release))


@dataclass(frozen=True, slots=True)
class PlainHttp(Directory):
    """A release as it would come over a way that others can write to."""

    @property
    @override
    def keeps_content(self) -> bool:
        return False


def test_over_plain_http_the_lock_has_to_know_the_content(paths: Paths, release: Path) -> None:
    with pytest.raises(ArtifactError, match="is plain http, and the lock does not know") as caught:
        fetch(paths, OPEN, PlainHttp(release))

    assert "https" in str(caught.value.hint)
    assert fetch(paths, LOCKED, PlainHttp(release)).is_dir()


def test_over_plain_http_what_was_seen_by_a_better_way_is_known_too(
    paths: Paths, release: Path
) -> None:
    fetch(paths, OPEN, Directory(release))
    artifacts.prune(paths, what=Prune.ALL, keep=(), recipes=())

    assert fetch(paths, OPEN, PlainHttp(release)).is_dir()


FETCH = """
import sys
from pathlib import Path
from lab import artifacts
from lab.artifacts.k3s import K3sRelease
from lab.artifacts.k3s_lock import Lock
from lab.artifacts.k3s_source import Release
from lab.paths import Paths, find_caller
from lab.progress import Silent

cache, version, address = sys.argv[1:]
recipe = K3sRelease(Lock(version, {}), Release(version, address))
paths = Paths(find_caller(), Path(cache), Path(cache), Path(cache))
artifacts.ensure((recipe,), paths=paths, progress=Silent())
"""


def test_a_fetch_that_is_killed_midway_leaves_no_name_and_the_next_one_succeeds(
    paths: Paths, release: Path
) -> None:
    with stalling(release.parent, images_file(ARCH)) as (address, half_is_sent):
        arguments = (sys.executable, "-c", FETCH, str(paths.cache), VERSION, address)
        with subprocess.Popen(arguments) as fetching:
            assert half_is_sent.wait(30)
            fetching.kill()

    left = [each.name for each in layout.partials(paths).rglob("*") if each.is_file()]
    assert sorted(left) == ["k3s", images_file(ARCH)]
    assert cached(paths) == []
    assert not k3s_seen.file(paths).exists()

    fetch(paths, OPEN, Directory(release))
    assert cached(paths) == ["k3s"]
    assert [*layout.partials(paths).rglob("*")] == []
