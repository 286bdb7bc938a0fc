"""The lock of k3s: what is in it is a hash, and only a whole release gets in."""

import json
from functools import partial
from pathlib import Path

import pytest

from lab.artifacts import k3s_lock, k3s_source
from lab.artifacts.k3s_lock import binary_file, checksums_file, images_file
from lab.artifacts.k3s_source import Release
from lab.errors import ArtifactCorrupt, ArtifactError, InvalidValue
from tests.artifacts.k3s_release import VERSION, serving, sha256


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
        k3s_lock.update(VERSION, lambda name: "", tmp_path / "lock")

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


def test_a_lock_with_images_of_another_name_is_none() -> None:
    value = json.loads(k3s_lock.FILE.read_text())
    value["arm64"]["images_file"] = "k3s-airgap-images-arm64.tar.gz"

    with pytest.raises(ValueError, match="images_file of arm64 is"):
        k3s_lock.parse(value)


def test_what_an_update_writes_is_a_lock_that_knows_everything(tmp_path: Path) -> None:
    release = tmp_path / VERSION
    release.mkdir()
    for arch in ("amd64", "arm64"):
        names = (binary_file(arch), images_file(arch))
        lines = [f"{sha256(name.encode())}  {name}\n" for name in names]
        (release / checksums_file(arch)).write_text("".join(lines))

    with serving(tmp_path) as (address, asked):
        k3s_lock.update(VERSION, Release(VERSION, address).text, tmp_path / "lock")

    assert len(k3s_lock.read(tmp_path / "lock").hashes) == 4
    assert asked == [f"/v1.36.3%2Bk3s1/{checksums_file(arch)}" for arch in ("amd64", "arm64")]


def test_an_update_that_fails_leaves_the_lock_as_it_was(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("before")

    with serving(tmp_path) as (address, _), pytest.raises(ArtifactError, match="404"):
        k3s_lock.update(VERSION, Release(VERSION, address).text, lock)
    with pytest.raises(ArtifactCorrupt, match="is no list of checksums"):
        k3s_lock.update(VERSION, lambda name: "<!DOCTYPE html>", lock)

    assert lock.read_text() == "before"


@pytest.mark.parametrize("version", ["v1.36.3+k3s1", "v1.37.0-rc1+k3s2"])
def test_a_tag_of_k3s_is_a_version(version: str) -> None:
    assert k3s_lock.VERSION.fullmatch(version)


@pytest.mark.parametrize("version", ["", "latest", "1.36.3+k3s1", "v1.36.3", "v1.36.3+k3s1/../x"])
def test_what_is_no_tag_is_told_without_asking_anybody(
    version: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = k3s_lock.FILE.read_text()
    # A port of this host that nobody listens at: the real home is not for tests.
    nowhere = partial(Release, base="http://127.0.0.1:1")
    monkeypatch.setattr(k3s_source, "Release", nowhere)

    assert k3s_lock.main([version]) == 2
    assert f"{version!r} is no version of k3s" in capsys.readouterr().err
    assert k3s_lock.FILE.read_text() == before


def test_a_file_that_is_listed_twice_with_different_hashes_is_refused() -> None:
    line = f"{sha256(b'1')}  k3s\n"

    assert k3s_lock.parse_checksums(line + line) == {"k3s": sha256(b"1")}
    with pytest.raises(ValueError, match="k3s is listed with"):
        k3s_lock.parse_checksums(line + f"{sha256(b'2')} *k3s\n")
