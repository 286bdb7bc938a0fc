"""A k3s that comes in a bundle is held to the same hashes as one that is fetched."""

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import artifacts
from lab.artifacts import Prune, export_bundle, import_bundle, k3s_lock, k3s_seen
from lab.artifacts.bundle import HEAD, add_text
from lab.artifacts.k3s import FIRST_SEEN, K3sRelease
from lab.artifacts.k3s_lock import Lock, binary_file, images_file
from lab.artifacts.k3s_source import Directory
from lab.artifacts.recipe import architecture, key_for
from lab.errors import ArtifactCorrupt, BundleInvalid
from lab.paths import Paths
from lab.progress import Silent
from tests.artifacts.k3s_release import IMAGES, PROGRAM, VERSION, make_release, sha256
from tests.artifacts.test_bundle import read

OPEN = Lock(VERSION, {})
NAMES = {binary_file(architecture()): PROGRAM, images_file(architecture()): IMAGES}
LOCKED = Lock(VERSION, {name: sha256(content) for name, content in NAMES.items()})

Lay = Callable[[Lock], None]


@pytest.fixture
def elsewhere(paths: Paths, tmp_path: Path) -> Paths:
    return Paths(paths.caller, *(tmp_path / "other" / name for name in ("cache", "data", "state")))


@pytest.fixture(autouse=True)
def lay(monkeypatch: pytest.MonkeyPatch) -> Lay:
    """Return what puts a lock in the place of lab's own; at first it knows nothing."""

    def lay(lock: Lock) -> None:
        monkeypatch.setattr(k3s_lock, "read", lambda: lock)

    lay(OPEN)
    return lay


def make_bundle(
    paths: Paths, directory: Path, *, lock: Lock = OPEN, program: bytes = PROGRAM
) -> Path:
    """Export a release as somebody has it who trusted it on first use, or by a lock."""
    release = Directory(make_release(directory / "release", program=program))
    home = Paths(paths.caller, *(directory / name for name in ("cache", "data", "state")))
    file = directory / "bundle.tar"
    export_bundle(file, (K3sRelease(lock, release),), paths=home, progress=Silent())
    return file


def take(bundle: Path, paths: Paths) -> Silent:
    progress = Silent()
    import_bundle(bundle, paths=paths, progress=progress)
    return progress


def is_there(paths: Paths, lock: Lock = OPEN) -> bool:
    nowhere = Directory(paths.cache / "nowhere")
    return not artifacts.missing((K3sRelease(lock, nowhere),), paths)


def refuse(bundle: Path, paths: Paths, match: str) -> None:
    before = k3s_seen.read(paths, VERSION)
    with pytest.raises(BundleInvalid, match=match):
        take(bundle, paths)
    assert artifacts.list_artifacts(paths) == ()
    assert k3s_seen.read(paths, VERSION) == before


@pytest.mark.parametrize("lock", [OPEN, LOCKED])
def test_a_release_is_carried_to_another_host_that_then_needs_no_source(
    paths: Paths, elsewhere: Paths, tmp_path: Path, lay: Lay, lock: Lock
) -> None:
    lay(lock)

    take(make_bundle(paths, tmp_path, lock=lock), elsewhere)

    assert is_there(elsewhere, lock)


def test_what_nobody_knew_is_told_and_remembered_as_of_first_use(
    paths: Paths, elsewhere: Paths, tmp_path: Path
) -> None:
    progress = take(make_bundle(paths, tmp_path), elsewhere)

    assert f"Taking k3s {VERSION}, trusted on first use" in dict(progress.finished)
    assert k3s_seen.read(elsewhere, VERSION) == dict(LOCKED.hashes)


def test_what_the_lock_knows_is_not_of_first_use(
    paths: Paths, elsewhere: Paths, tmp_path: Path, lay: Lay
) -> None:
    lay(LOCKED)

    progress = take(make_bundle(paths, tmp_path, lock=LOCKED), elsewhere)

    assert not [title for title, _ in progress.finished if "first use" in title]
    assert not k3s_seen.file(elsewhere).exists()


@pytest.mark.parametrize("in_bundle", [OPEN, LOCKED])
def test_a_release_that_is_not_the_locked_one_is_refused(
    paths: Paths, elsewhere: Paths, tmp_path: Path, lay: Lay, in_bundle: Lock
) -> None:
    if in_bundle is LOCKED:
        in_bundle = Lock(VERSION, {**LOCKED.hashes, "k3s": sha256(b"another")})
    lay(LOCKED)

    bundle = make_bundle(paths, tmp_path, lock=in_bundle, program=b"another")

    refuse(bundle, elsewhere, f"k3s of k3s .*and the lock says {sha256(PROGRAM)}")


def test_a_release_that_is_not_the_one_of_first_use_is_refused(
    paths: Paths, elsewhere: Paths, tmp_path: Path
) -> None:
    take(make_bundle(paths, tmp_path / "first"), elsewhere)
    artifacts.prune(elsewhere, what=Prune.ALL, keep=(), recipes=())

    bundle = make_bundle(paths, tmp_path / "second", program=b"another")

    refuse(bundle, elsewhere, f"and on first use it had {sha256(PROGRAM)}")


def test_what_was_imported_first_is_what_a_mirror_must_have_later(
    paths: Paths, elsewhere: Paths, tmp_path: Path
) -> None:
    take(make_bundle(paths, tmp_path), elsewhere)
    artifacts.prune(elsewhere, what=Prune.ALL, keep=(), recipes=())
    mirror = Directory(make_release(tmp_path / "mirror", program=b"another"))

    with pytest.raises(ArtifactCorrupt, match="on first use it had"):
        artifacts.ensure((K3sRelease(OPEN, mirror),), paths=elsewhere, progress=Silent())


def forge(
    bundle: Path, change: Callable[[dict[str, Any]], None], files: dict[str, bytes] | None = None
) -> None:
    """Write the bundle anew with a manifest that was changed, and all digests made to fit."""
    with tarfile.open(bundle) as tar:
        members = {each.name: (each, read(tar, each)) for each in tar}
    (name,) = (each for each in members if each.endswith("/manifest.json"))
    manifest = json.loads(members[name][1])
    change(manifest)
    manifest["key"] = key_for("k3s", inputs=manifest["inputs"], needs={})
    text, root = json.dumps(manifest), f"k3s-{manifest['key']}"
    promise = {
        "name": "k3s",
        "key": manifest["key"],
        "manifest_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "size": 1,
    }
    head = json.loads(members[HEAD][1]) | {"artifacts": [promise]}
    content = files or {}
    with tarfile.open(bundle, "w", format=tarfile.PAX_FORMAT) as tar:
        add_text(tar, HEAD, json.dumps(head))
        add_text(tar, f"{root}/manifest.json", text)
        for path, (entry, was) in members.items():
            rest = path.partition("/")[2]
            if rest.startswith("tree"):
                entry.name = f"{root}/{rest}"
                if entry.isreg():
                    add_text(tar, entry.name, content.get(rest, was).decode())
                else:
                    tar.addfile(entry)
        for path in content.keys() - {each.partition("/")[2] for each in members}:
            add_text(tar, f"{root}/{path}", content[path].decode())


def test_content_under_the_key_of_the_locked_release_is_refused_even_where_the_lock_is_another(
    paths: Paths, elsewhere: Paths, tmp_path: Path, lay: Lay
) -> None:
    lay(Lock("v1.36.4+k3s1", {}))
    bundle = make_bundle(paths, tmp_path, lock=LOCKED)

    def exchange(manifest: dict[str, Any]) -> None:
        file = manifest["contents"]["files"]["usr/local/bin/k3s"]
        file |= {"sha256": sha256(b"another"), "size": len(b"another")}

    forge(bundle, exchange, {"tree/usr/local/bin/k3s": b"another"})

    refuse(bundle, elsewhere, f"and its key says {sha256(PROGRAM)}")


def test_the_key_of_first_use_does_not_let_another_than_the_locked_release_in(
    paths: Paths, elsewhere: Paths, tmp_path: Path, lay: Lay
) -> None:
    lay(LOCKED)
    bundle = make_bundle(paths, tmp_path, lock=LOCKED)

    def exchange(manifest: dict[str, Any]) -> None:
        manifest["inputs"] |= dict.fromkeys(NAMES, FIRST_SEEN)
        file = manifest["contents"]["files"]["usr/local/bin/k3s"]
        file |= {"sha256": sha256(b"another"), "size": len(b"another")}

    forge(bundle, exchange, {"tree/usr/local/bin/k3s": b"another"})

    refuse(bundle, elsewhere, "and the lock says")


def test_a_file_that_no_release_has_is_refused(
    paths: Paths, elsewhere: Paths, tmp_path: Path
) -> None:
    bundle = make_bundle(paths, tmp_path)

    def add(manifest: dict[str, Any]) -> None:
        entry = {"sha256": sha256(b"x"), "size": 1, "mtime_ns": 0}
        manifest["contents"]["files"]["usr/local/bin/more"] = entry

    forge(bundle, add, {"tree/usr/local/bin/more": b"x"})

    refuse(bundle, elsewhere, "a k3s that is none: 'usr/local/bin/more' is missing or too much")


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"version": "latest"}, "its version is 'latest'"),
        ({"version": {"a": 1}}, "its version is"),
        ({"architecture": "riscv64"}, "no k3s for 'riscv64'"),
        ({"architecture": ["amd64"]}, "no k3s for"),
    ],
)
def test_a_k3s_of_no_version_or_architecture_is_refused(
    paths: Paths, elsewhere: Paths, tmp_path: Path, inputs: dict[str, Any], told: str
) -> None:
    bundle = make_bundle(paths, tmp_path)

    forge(bundle, lambda manifest: manifest["inputs"].update(inputs))

    refuse(bundle, elsewhere, told)


def test_a_damaged_memory_of_first_use_lets_no_bundle_in(
    paths: Paths, elsewhere: Paths, tmp_path: Path
) -> None:
    bundle = make_bundle(paths, tmp_path)
    elsewhere.cache.mkdir(parents=True)
    k3s_seen.file(elsewhere).write_text("[]")

    with pytest.raises(ArtifactCorrupt, match=r"k3s-first-use\.json is damaged"):
        take(bundle, elsewhere)

    assert artifacts.list_artifacts(elsewhere) == ()
