import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from lab.artifacts.images import Image, Layer, Packer, layer_of_tree, write_archive


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    return Layer(
        programs={"bin/program": program},
        links={"bin/one": "program"},
        directories={"tmp": 0o1777},
    )


@pytest.fixture
def image(layer: Layer) -> Image:
    return Image(
        tags=("registry.test/one:1", "registry.test/two:1"),
        entrypoint=("/bin/one",),
        layers=(layer,),
    )


@pytest.fixture
def archive(tmp_path: Path, image: Image) -> tarfile.TarFile:
    with tarfile.open(write(tmp_path / "a.tar", image)) as tar:
        yield tar


def write(target: Path, *images: Image) -> Path:
    write_archive(target, images, architecture="amd64", packer=Packer(target.parent))
    return target


def load(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def load_config(archive: tarfile.TarFile, number: int = 0) -> dict:
    return json.loads(load(archive, json.loads(load(archive, "manifest.json"))[number]["Config"]))


def members_of(archive: tarfile.TarFile, layer: int = 0) -> dict[str, tarfile.TarInfo]:
    (entry,) = json.loads(load(archive, "manifest.json"))
    content = io.BytesIO(load(archive, entry["Layers"][layer]))
    with tarfile.open(fileobj=content) as tar:
        return {each.name: each for each in tar}


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
    members = members_of(archive)

    assert [*members] == ["bin", "tmp", "bin/program", "bin/one"]
    assert members["bin/program"].mode == 0o755
    assert members["bin/one"].linkname == "program"
    assert members["tmp"].mode == 0o1777
    assert {(each.uid, each.gid, each.mtime) for each in members.values()} == {(0, 0, 0)}


def test_the_same_programs_give_the_same_archive(tmp_path: Path, image: Image) -> None:
    archives = [write(tmp_path / name, image) for name in ("one.tar", "two.tar")]

    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_the_id_of_a_tag_is_the_digest_of_its_configuration(tmp_path: Path, image: Image) -> None:
    target = tmp_path / "a.tar"
    ids = write_archive(target, [image], architecture="amd64", packer=Packer(tmp_path))

    with tarfile.open(target) as tar:
        (entry,) = json.loads(load(tar, "manifest.json"))
    digest = entry["Config"].removesuffix(".json")
    assert ids == dict.fromkeys(image.tags, f"sha256:{digest}")


def test_a_layer_that_two_images_share_is_stored_once(tmp_path: Path, layer: Layer) -> None:
    own = Layer(programs={"bin/other": layer.programs["bin/program"]})
    lower = Image(tags=("x:1",), entrypoint=(), layers=(layer,))
    upper = Image(tags=("x:2",), entrypoint=(), layers=(layer, own))

    with tarfile.open(write(tmp_path / "a.tar", lower, upper)) as tar:
        names, entries = tar.getnames(), json.loads(load(tar, "manifest.json"))
    assert len(names) == len(set(names)) == 2 + 2 + 1
    assert entries[1]["Layers"][0] == entries[0]["Layers"][0]


def test_two_tags_of_one_content_share_their_configuration(tmp_path: Path, layer: Layer) -> None:
    images = (Image(tags=(tag,), entrypoint=(), layers=(layer,)) for tag in ("x:1", "x:2"))

    with tarfile.open(write(tmp_path / "a.tar", *images)) as tar:
        names, entries = tar.getnames(), json.loads(load(tar, "manifest.json"))
    assert len(names) == len(set(names))
    assert entries[0]["Config"] == entries[1]["Config"]


def test_layers_are_named_from_the_lowest_to_the_highest(tmp_path: Path, layer: Layer) -> None:
    own = Layer(links={"bin/new": "program"})
    image = Image(tags=("x:1",), entrypoint=(), layers=(layer, own))

    with tarfile.open(write(tmp_path / "a.tar", image)) as tar:
        assert "bin/program" in members_of(tar, 0)
        assert "bin/new" in members_of(tar, 1)
        assert len(load_config(tar)["history"]) == len(load_config(tar)["rootfs"]["diff_ids"]) == 2


def test_a_packer_writes_a_layer_once_for_all_archives(tmp_path: Path, image: Image) -> None:
    packer = Packer(tmp_path)
    for name in ("one.tar", "two.tar"):
        write_archive(tmp_path / name, [image], architecture="amd64", packer=packer)

    assert len([*tmp_path.glob("layer-*")]) == 1
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_the_configuration_says_how_the_image_is_run(tmp_path: Path, layer: Layer) -> None:
    image = Image(
        tags=("x:1",),
        entrypoint=("/bin/one",),
        layers=(layer,),
        environment={"NAME": "value"},
        user="1000:1000",
        stop_signal="SIGINT",
    )

    with tarfile.open(write(tmp_path / "a.tar", image)) as tar:
        config = load_config(tar)["config"]
    assert config["Env"][0].startswith("PATH=/usr/local/sbin:")
    assert config["Env"][1:] == ["NAME=value"]
    assert (config["User"], config["StopSignal"]) == ("1000:1000", "SIGINT")


def test_what_an_image_does_not_set_is_left_to_the_runtime(archive: tarfile.TarFile) -> None:
    assert {*load_config(archive)["config"]} == {"Entrypoint", "Env"}


def test_a_tree_becomes_a_layer_whatever_the_umask_was(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a/empty").mkdir(parents=True, mode=0o700)
    for name, mode in (("a/run", 0o4711), ("a/read", 0o600)):
        (tree / name).write_text(name)
        (tree / name).chmod(mode)
    (tree / "a/link").symlink_to("/read")
    (tree / "b").symlink_to("a")

    image = Image(tags=("x:1",), entrypoint=(), layers=(layer_of_tree(tree, at="opt"),))
    with tarfile.open(write(tmp_path / "a.tar", image)) as tar:
        members = members_of(tar)
    modes = {name: each.mode for name, each in members.items() if not each.issym()}
    assert modes == {
        "opt": 0o755,
        "opt/a": 0o755,
        "opt/a/empty": 0o755,
        "opt/a/run": 0o755,
        "opt/a/read": 0o644,
    }
    assert members["opt/a/link"].linkname == "/read"
    assert members["opt/b"].linkname == "a"


def test_the_layer_of_a_tree_does_not_depend_on_the_order_of_its_files(tmp_path: Path) -> None:
    archives = []
    for number, names in enumerate((("x", "y", "z"), ("z", "y", "x"))):
        tree = tmp_path / f"tree-{number}"
        tree.mkdir()
        for name in names:
            (tree / name).write_text(name)
            os.utime(tree / name, (number, number))
        image = Image(tags=("x:1",), entrypoint=(), layers=(layer_of_tree(tree),))
        work = tmp_path / f"work-{number}"
        work.mkdir()
        archives.append(write(work / "a.tar", image).read_bytes())

    assert archives[0] == archives[1]
