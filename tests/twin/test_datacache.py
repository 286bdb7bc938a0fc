"""Files that are kept for the next twin: whole, or not used."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lab.errors import NoSpace
from lab.paths import Caller
from lab.twin import datacache
from lab.twin.datacache import DataCache


@pytest.fixture
def cache(tmp_path: Path, caller: Caller) -> DataCache:
    return DataCache(tmp_path / "the cache" / "twin", caller)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "data"
    (source / "base").mkdir(parents=True)
    source.chmod(0o700)
    (source / "base/1").write_bytes(os.urandom(100_000))
    (source / "base/1").chmod(0o600)
    (source / "postmaster.pid").write_text("1\n")
    return source


def test_what_comes_out_is_what_went_in(cache: DataCache, source: Path, tmp_path: Path) -> None:
    assert cache.store("k", source)
    target = tmp_path / "target"

    assert cache.fetch("k", target)

    assert (target / "base/1").read_bytes() == (source / "base/1").read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert stat.S_IMODE((target / "base/1").stat().st_mode) == 0o600


def test_what_a_server_left_of_itself_is_not_kept(
    cache: DataCache, source: Path, tmp_path: Path
) -> None:
    cache.store("k", source)
    cache.fetch("k", tmp_path / "target")

    assert sorted(each.name for each in (tmp_path / "target").iterdir()) == ["base"]


def test_another_key_finds_nothing(cache: DataCache, source: Path, tmp_path: Path) -> None:
    assert not cache.fetch("k", tmp_path / "target")
    cache.store("k", source)
    assert not cache.fetch("other", tmp_path / "target")

    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "longer"])
def test_what_is_damaged_is_not_used_and_made_again(
    cache: DataCache, source: Path, tmp_path: Path, damage: str
) -> None:
    cache.store("k", source)
    (kept,) = cache.directory.glob("*.tar")
    content = bytearray(kept.read_bytes())
    match damage:
        case "cut":
            del content[-5000:]
        case "changed":
            content[len(content) // 2] ^= 1
        case "empty":
            content.clear()
        case "longer":
            content += b"x"
    kept.write_bytes(content)

    assert not cache.fetch("k", tmp_path / "target")
    assert not (tmp_path / "target").exists()
    assert cache.store("k", source)
    assert cache.fetch("k", tmp_path / "target")


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE])
@pytest.mark.parametrize("name", ["../outside", "/outside", "base/../../outside", "link"])
def test_nothing_is_unpacked_outside(name: str, kind: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.type = kind
    if name == "link" and kind != tarfile.SYMTYPE:
        datacache.require_inside(member)
        return

    with pytest.raises(tarfile.ExtractError, match="does not belong"):
        datacache.require_inside(member)


def no_space(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_only_means_that_nothing_is_kept(
    cache: DataCache, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datacache, "pack", no_space)

    assert not cache.store("k", source)
    assert list(cache.directory.iterdir()) == []


def test_a_full_disk_where_it_is_unpacked_is_told(
    cache: DataCache, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.store("k", source)
    monkeypatch.setattr(datacache, "unpack", no_space)

    with pytest.raises(NoSpace, match="target"):
        cache.fetch("k", tmp_path / "target")


def test_a_cache_that_cannot_be_written_is_gone_without(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = DataCache(tmp_path / "file" / "twin", Caller(os.geteuid(), os.getegid(), tmp_path))

    assert not cache.store("k", source)
    assert not cache.fetch("k", tmp_path / "target")
    with cache.building(within_s=0) as alone:
        assert not alone


def test_what_a_killed_one_left_half_written_is_removed(
    cache: DataCache, source: Path, tmp_path: Path
) -> None:
    code = (
        "import os, pathlib, signal\n"
        "from lab.paths import Caller\n"
        "from lab.twin import datacache\n"
        "def pack(source, file):\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "datacache.pack = pack\n"
        f"caller = Caller(os.geteuid(), os.getegid(), pathlib.Path({str(tmp_path)!r}))\n"
        f"cache = datacache.DataCache(pathlib.Path({str(cache.directory)!r}), caller)\n"
        f"cache.store('k', pathlib.Path({str(source)!r}))\n"
    )
    assert subprocess.call([sys.executable, "-c", code]) == -9
    assert len(list(cache.directory.iterdir())) == 1
    assert not cache.fetch("k", tmp_path / "target")

    cache.store("k", source)

    assert [each.name for each in cache.directory.iterdir()] == ["k.tar"]


def test_the_last_few_that_were_used_are_kept(
    cache: DataCache, source: Path, tmp_path: Path
) -> None:
    for number, key in enumerate("abcd"):
        cache.store(key, source)
        os.utime(cache.directory / f"{key}.tar", (number, number))
        if key == "c":
            cache.fetch("a", tmp_path / "target")

    assert sorted(each.name for each in cache.directory.iterdir()) == ["a.tar", "c.tar", "d.tar"]


def test_one_builds_and_others_wait(cache: DataCache) -> None:
    with cache.building(within_s=0) as first, cache.building(within_s=0) as second:
        assert (first, second) == (True, False)
    with cache.building(within_s=0) as third:
        assert third


def test_a_builder_that_is_killed_holds_nobody_up(cache: DataCache) -> None:
    with cache.building(within_s=0):
        pass
    code = (
        "import fcntl, sys\n"
        f"file = open({str(cache.directory / 'lock')!r})\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print(flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with (cache.directory / "lock").open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process.kill()

    with cache.building(within_s=20) as alone:
        assert alone
