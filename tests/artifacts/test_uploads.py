import hashlib
import tarfile
from pathlib import Path

import pytest

from lab.artifacts.recipe import Artifact
from lab.artifacts.uploads import Upload, pack
from lab.errors import ArtifactCorrupt
from lab.paths import Caller, find_caller

PROGRAM = "usr/local/bin/kubernetes"


@pytest.fixture
def owner() -> Caller:
    return find_caller()


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return make(tmp_path / "kubernetes-0123456789ab")


def make(directory: Path) -> Artifact:
    artifact = Artifact("kubernetes", "0123456789ab", directory)
    program = artifact.tree / PROGRAM
    program.parent.mkdir(parents=True)
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    (program.parent / "kubelet").symlink_to("kubernetes")
    return artifact


def test_what_is_packed_is_the_tree_with_its_modes_and_links_and_belongs_to_root(
    artifact: Artifact, owner: Caller
) -> None:
    upload = pack(artifact, owner=owner)

    with tarfile.open(upload.archive) as tar:
        kernel, kubelet = (
            tar.getmember(f"tree/{PROGRAM}"),
            tar.getmember("tree/usr/local/bin/kubelet"),
        )
    assert (kernel.mode, kernel.uid, kernel.uname) == (0o755, 0, "root")
    assert (kubelet.issym(), kubelet.linkname) == (True, "kubernetes")
    assert upload.files == ("usr/local/bin/kubelet", PROGRAM)


def test_its_digest_is_that_of_the_archive(artifact: Artifact, owner: Caller) -> None:
    upload = pack(artifact, owner=owner)

    assert hashlib.sha256(Path(upload.archive).read_bytes()).hexdigest() == upload.sha256


def test_it_is_the_same_to_the_byte_wherever_it_is_made(tmp_path: Path, owner: Caller) -> None:
    first, second = (make(tmp_path / name / "kubernetes-0123456789ab") for name in "ab")

    assert pack(first, owner=owner).sha256 == pack(second, owner=owner).sha256


def test_it_is_packed_once(artifact: Artifact, owner: Caller) -> None:
    first = pack(artifact, owner=owner)
    written = Path(first.archive).stat().st_mtime_ns

    assert pack(artifact, owner=owner) == first
    assert Path(first.archive).stat().st_mtime_ns == written


@pytest.mark.parametrize("damage", ["{", '{"directory": 1}', "[]"])
def test_without_a_note_that_can_be_read_it_is_packed_again(
    artifact: Artifact, owner: Caller, damage: str
) -> None:
    first = pack(artifact, owner=owner)
    Path(first.archive).with_suffix(".json").write_text(damage)

    assert pack(artifact, owner=owner) == first


def test_a_note_of_another_place_does_not_count(tmp_path: Path, owner: Caller) -> None:
    moved = make(tmp_path / "old" / "kubernetes-0123456789ab")
    pack(moved, owner=owner)
    new = tmp_path / "new"
    (tmp_path / "old").rename(new)
    artifact = Artifact("kubernetes", moved.key, new / moved.path.name)

    assert pack(artifact, owner=owner).archive.startswith(str(new))


def test_some_files_only_make_an_archive_of_their_own(artifact: Artifact, owner: Caller) -> None:
    whole = pack(artifact, owner=owner)

    some = pack(artifact, owner=owner, only=[PROGRAM])

    assert some.files == (PROGRAM,)
    assert some.archive != whole.archive
    assert isinstance(some, Upload)


def test_a_file_that_is_not_there_is_named(artifact: Artifact, owner: Caller) -> None:
    with pytest.raises(ArtifactCorrupt, match=r"no usr/share/lab/images/server\.tar"):
        pack(artifact, owner=owner, only=["usr/share/lab/images/server.tar"])


def test_nothing_is_left_of_an_archive_that_could_not_be_written(
    artifact: Artifact, owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lab.artifacts.uploads._pack", interrupt)

    with pytest.raises(KeyboardInterrupt):
        pack(artifact, owner=owner)
    assert [path.name for path in artifact.path.iterdir()] == ["tree"]
