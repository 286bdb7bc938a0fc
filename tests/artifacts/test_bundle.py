import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from lab.artifacts import ensure, export_bundle, import_bundle, list_artifacts, missing, verify
from lab.artifacts.bundle import HEAD
from lab.errors import BundleInvalid, InvalidValue
from lab.paths import Paths
from lab.progress import Silent

Member = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def recipes(recipe) -> list:
    return [recipe("a"), recipe("b", "long " * 1000, needs=("a",))]


@pytest.fixture
def bundle(paths: Paths, recipes: list, tmp_path: Path) -> Path:
    file = tmp_path / "bundle.tar"
    export_bundle(file, recipes, paths=paths, progress=Silent())
    return file


@pytest.fixture
def elsewhere(paths: Paths, tmp_path: Path) -> Paths:
    return Paths(paths.caller, *(tmp_path / "other" / name for name in ("cache", "data", "state")))


def rewrite(bundle: Path, change: Callable[[Member], Iterable[Member]]) -> None:
    with tarfile.open(bundle) as tar:
        members = [(each, read(tar, each)) for each in tar]
    with tarfile.open(bundle, "w", format=tarfile.PAX_FORMAT) as tar:
        for entry, content in (after for before in members for after in change(before)):
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def read(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(entry) if entry.isreg() else None
    return file.read() if file else b""


def add_behind(bundle: Path, name: str, **fields: object) -> None:
    """Add a member behind the program of `a`, in the directory of its tree if `name` has `A`."""

    def add(member: Member) -> Iterable[Member]:
        yield member
        if member[0].name.endswith("bin/a"):
            extra = tarfile.TarInfo(name.replace("A", member[0].name.partition("/")[0]))
            for field, value in fields.items():
                setattr(extra, field, value)
            yield extra, b""

    rewrite(bundle, add)


def change_head(bundle: Path, **changed: object) -> None:
    def change(member: Member) -> Iterable[Member]:
        entry, content = member
        if entry.name == HEAD:
            content = json.dumps({**json.loads(content), **changed}).encode()
        yield entry, content

    rewrite(bundle, change)


def refuse(bundle: Path, paths: Paths, match: str) -> None:
    with pytest.raises(BundleInvalid, match=match):
        import_bundle(bundle, paths=paths, progress=Silent())
    assert list_artifacts(paths) == ()
    assert not (paths.cache / "partial").exists()


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tgz", "tar.zst", "bundle"])
def test_what_is_exported_can_be_imported(
    paths: Paths, elsewhere: Paths, recipes: list, tmp_path: Path, suffix: str
) -> None:
    if suffix == "tar.zst" and not shutil.which("zstd"):
        pytest.skip("zstd is not installed")
    file = tmp_path / f"file.{suffix}"
    export_bundle(file, recipes, paths=paths, progress=Silent())

    imported = import_bundle(file, paths=elsewhere, progress=Silent())

    assert missing(recipes, elsewhere) == []
    for artifact in imported:
        verify(artifact, thorough=True)
        program = artifact.tree / "usr/local/bin" / artifact.name
        assert os.access(program, os.X_OK)
        assert program.with_name(f"{artifact.name}-link").readlink() == Path(artifact.name)


def test_an_imported_file_needs_no_hashing_later(bundle: Path, elsewhere: Paths) -> None:
    artifact = import_bundle(bundle, paths=elsewhere, progress=Silent())[0]

    listed = json.loads((artifact.path / "manifest.json").read_text())["contents"]["files"]
    (path,) = listed
    assert (artifact.tree / path).stat().st_mtime_ns == listed[path]["mtime_ns"]


def test_an_artifact_that_is_there_already_stays(paths: Paths, bundle: Path, recipes: list) -> None:
    before = {each.artifact.path.stat().st_ino for each in list_artifacts(paths)}

    import_bundle(bundle, paths=paths, progress=Silent())

    assert {each.artifact.path.stat().st_ino for each in list_artifacts(paths)} == before


def test_an_import_mends_a_damaged_artifact(paths: Paths, bundle: Path, recipes: list) -> None:
    artifact = ensure(recipes, paths=paths, progress=Silent())["a"]
    (artifact.tree / "usr/local/bin/a").write_text("damaged")

    import_bundle(bundle, paths=paths, progress=Silent())

    verify(artifact, thorough=True)


def test_a_tampered_file_is_refused_and_named(bundle: Path, elsewhere: Paths) -> None:
    def tamper(member: Member) -> Iterable[Member]:
        entry, content = member
        yield entry, content.replace(b"long", b"evil") if entry.name.endswith("bin/b") else content

    rewrite(bundle, tamper)

    refuse(bundle, elsewhere, r"bin/b is damaged: expected sha256:\w+, found sha256:\w+")


def test_a_tampered_manifest_is_refused_and_named(bundle: Path, elsewhere: Paths) -> None:
    evil, good = (hashlib.sha256(text).hexdigest().encode() for text in (b"evil", b"text"))

    def tamper(member: Member) -> Iterable[Member]:
        yield member[0], member[1].replace(good, evil)

    rewrite(bundle, tamper)

    refuse(bundle, elsewhere, "of the manifest of a, found")


def test_another_key_than_that_of_its_inputs_is_refused(bundle: Path, elsewhere: Paths) -> None:
    with tarfile.open(bundle) as tar:
        entry = tar.getmembers()[1]
        directory = entry.name.partition("/")[0]
        text = read(tar, entry).replace(directory.encode(), b"x").decode()
    key, forged = directory.rpartition("-")[2], "0" * 12
    text = text.replace(key, forged)

    def forge(member: Member) -> Iterable[Member]:
        entry, content = member
        entry.name = entry.name.replace(key, forged)
        if entry.name == f"a-{forged}/manifest.json":
            content = text.encode()
        if entry.name == HEAD:
            head = json.loads(content.decode().replace(key, forged))
            head["artifacts"][0]["manifest_sha256"] = hashlib.sha256(text.encode()).hexdigest()
            content = json.dumps(head).encode()
        yield entry, content

    rewrite(bundle, forge)

    refuse(bundle, elsewhere, "under a key that is not its own")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../evil", "A/../../evil", "A/tree/../../evil", "other/tree/evil"]
)
def test_a_path_that_leads_elsewhere_is_refused(bundle: Path, elsewhere: Paths, name: str) -> None:
    add_behind(bundle, name)

    refuse(bundle, elsewhere, "belongs to no artifact")


def test_nothing_is_written_through_a_link(bundle: Path, elsewhere: Paths) -> None:
    add_behind(bundle, "A/tree/usr/local/bin/a-link/evil")

    refuse(bundle, elsewhere, "not the directory it is in")


@pytest.mark.parametrize("target", ["/etc/shadow", "../../../../../evil"])
def test_a_link_out_of_the_tree_is_refused(bundle: Path, elsewhere: Paths, target: str) -> None:
    add_behind(bundle, "A/tree/usr/local/bin/evil", type=tarfile.SYMTYPE, linkname=target)

    refuse(bundle, elsewhere, "outside of it")


@pytest.mark.parametrize(
    "kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.LNKTYPE]
)
def test_what_is_no_file_directory_or_link_is_refused(
    bundle: Path, elsewhere: Paths, kind: bytes
) -> None:
    add_behind(bundle, "A/tree/usr/local/bin/evil", type=kind, linkname="A/tree/usr/local/bin/a")

    refuse(bundle, elsewhere, "which is no file, directory or link")


def test_a_program_that_raises_privileges_is_refused(bundle: Path, elsewhere: Paths) -> None:
    add_behind(bundle, "A/tree/usr/local/bin/evil", mode=0o4755)

    refuse(bundle, elsewhere, "raise privileges")


def test_a_file_that_nothing_lists_is_refused(bundle: Path, elsewhere: Paths) -> None:
    add_behind(bundle, "A/tree/usr/local/bin/evil")

    refuse(bundle, elsewhere, "bin/evil', which nothing lists")


def test_a_file_that_comes_twice_is_refused(bundle: Path, elsewhere: Paths) -> None:
    add_behind(bundle, "A/tree/usr/local/bin/a")

    refuse(bundle, elsewhere, "twice")


def test_a_bundle_for_another_machine_is_refused(bundle: Path, elsewhere: Paths) -> None:
    change_head(bundle, architecture="riscv64")

    refuse(bundle, elsewhere, "is for 'riscv64'")


def test_a_bundle_of_a_later_lab_is_refused(bundle: Path, elsewhere: Paths) -> None:
    change_head(bundle, schema=2)

    refuse(bundle, elsewhere, "this version of lab does not read")


def test_a_name_that_is_no_name_is_refused(bundle: Path, elsewhere: Paths) -> None:
    with tarfile.open(bundle) as tar:
        (first, *_) = json.loads(read(tar, tar.getmembers()[0]))["artifacts"]
    change_head(bundle, artifacts=[{**first, "name": "../a"}])

    refuse(bundle, elsewhere, "no artifact can be called that")


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.zst"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_truncated_bundle_is_refused(
    paths: Paths, elsewhere: Paths, recipes: list, tmp_path: Path, share: float, suffix: str
) -> None:
    if suffix == "tar.zst" and not shutil.which("zstd"):
        pytest.skip("zstd is not installed")
    file = tmp_path / f"file.{suffix}"
    export_bundle(file, recipes, paths=paths, progress=Silent())
    # A tar is padded with zeros, without which it is still whole.
    padding = 10240 if suffix == "tar" else 0
    os.truncate(file, int((file.stat().st_size - padding) * share))

    refuse(file, elsewhere, "complete")


def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path, elsewhere: Paths) -> None:
    file = tmp_path / "novel.txt"
    file.write_text("once upon a time " * 100)

    refuse(file, elsewhere, "not a complete bundle")


def test_a_file_that_is_not_there_is_told(tmp_path: Path, elsewhere: Paths) -> None:
    with pytest.raises(BundleInvalid, match="there is no bundle"):
        import_bundle(tmp_path / "absent.tar", paths=elsewhere, progress=Silent())


def test_a_failed_export_leaves_the_old_file(
    paths: Paths, bundle: Path, recipes: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bundle.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk on fire")

    monkeypatch.setattr("lab.artifacts.bundle.add_path", fail)
    with pytest.raises(OSError, match="disk on fire"):
        export_bundle(bundle, recipes, paths=paths, progress=Silent())

    assert bundle.read_bytes() == before
    assert [file.name for file in bundle.parent.glob(".*")] == []


@pytest.mark.parametrize("place", ["missing/bundle.tar", "directory", "link"])
def test_where_no_bundle_can_be_put_nothing_is_built(
    paths: Paths, recipes: list, tmp_path: Path, place: str
) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("/dev/null")

    with pytest.raises(InvalidValue):
        export_bundle(tmp_path / place, recipes, paths=paths, progress=Silent())

    assert missing(recipes, paths) == ["a", "b"]
    assert (tmp_path / "link").is_symlink()
