import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from lab.artifacts.images import Image, write_archive


@pytest.fixture
def image(tmp_path: Path) -> Image:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    return Image(
        tags=("registry.test/one:1", "registry.test/two:1"),
        entrypoint=("/bin/one",),
        programs={"bin/program": program},
        links={"bin/one": "program"},
        directories={"tmp": 0o1777},
    )


@pytest.fixture
def archive(tmp_path: Path, image: Image) -> tarfile.TarFile:
    write_archive(tmp_path / "a.tar", [image], architecture="amd64", work=tmp_path)
    with tarfile.open(tmp_path / "a.tar") as tar:
        yield tar


def load(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def test_the_manifest_names_tags_configuration_and_layer(archive: tarfile.TarFile) -> None:
    (entry,) = json.loads(load(archive, "manifest.json"))

    assert entry["RepoTags"] == ["registry.test/one:1", "registry.test/two:1"]
    assert {entry["Config"], *entry["Layers"]} <= set(archive.getnames())


def test_configuration_and_layer_are_named_by_their_digests(archive: tarfile.TarFile) -> None:
    (entry,) = json.loads(load(archive, "manifest.json"))
    layer = hashlib.sha256(load(archive, entry["Layers"][0])).hexdigest()
    config = load(archive, entry["Config"])

    assert json.loads(config)["rootfs"]["diff_ids"] == [f"sha256:{layer}"]
    assert entry["Config"] == f"{hashlib.sha256(config).hexdigest()}.json"


def test_the_layer_holds_program_link_and_directories_as_roots_own(
    archive: tarfile.TarFile,
) -> None:
    (entry,) = json.loads(load(archive, "manifest.json"))
    with tarfile.open(fileobj=archive.extractfile(entry["Layers"][0])) as layer:
        members = {each.name: each for each in layer}

    assert [*members] == ["bin", "tmp", "bin/program", "bin/one"]
    assert members["bin/program"].mode == 0o755
    assert members["bin/one"].linkname == "program"
    assert members["tmp"].mode == 0o1777
    assert {(each.uid, each.gid, each.mtime) for each in members.values()} == {(0, 0, 0)}


def test_the_same_programs_give_the_same_archive(tmp_path: Path, image: Image) -> None:
    for name in ("one.tar", "two.tar"):
        write_archive(tmp_path / name, [image], architecture="amd64", work=tmp_path)

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_no_layer_is_left_beside_the_archive(tmp_path: Path, archive: tarfile.TarFile) -> None:
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "program"]
