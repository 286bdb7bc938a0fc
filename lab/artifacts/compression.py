"""Compress a bundle on the way out, and recognize how one is compressed on the way in.

zstd where the host has it: faster than gzip and a better ratio. Its window
reaches back further than a Kubernetes program is long, so the copy of it inside an
image archive costs nothing.
"""

import gzip
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from lab.artifacts.process import require_tool
from lab.errors import ArtifactError, BundleInvalid, NoSpace

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
GZIP_MAGIC = b"\x1f\x8b"
WINDOW = "--long=28"
GZIP_LEVEL = 1


@contextmanager
def compressed_by_name(name: Path, target: Path) -> Iterator[IO[bytes]]:
    """Open `target` for writing, compressed as the suffix of `name` says; synced on leaving."""
    with target.open("wb") as file:
        match name.suffix:
            case ".tar":
                yield file
            case ".gz" | ".tgz":
                with gzip.open(file, "wb", compresslevel=GZIP_LEVEL) as output:
                    yield cast(IO[bytes], output)
            case suffix if suffix == ".zst" or shutil.which("zstd"):
                with through_zstd(file, name) as output:
                    yield output
            case _:
                with gzip.open(file, "wb", compresslevel=GZIP_LEVEL) as output:
                    yield cast(IO[bytes], output)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def through_zstd(file: IO[bytes], name: Path) -> Iterator[IO[bytes]]:
    zstd = require_tool(shutil.which("zstd"), "zstd", package="zstd")
    command = [zstd, "-q", "-c", "-T0", "-3", WINDOW]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=errors)
        assert process.stdin is not None
        try:
            # What zstd has to say of a broken pipe follows below.
            with suppress(BrokenPipeError):
                yield process.stdin
        finally:
            with suppress(BrokenPipeError):
                process.stdin.close()
            status = process.wait()
        if status != 0:
            errors.seek(0)
            refuse_compression(name, errors.read().decode(errors="replace").strip())


def refuse_compression(name: Path, reason: str) -> None:
    if "no space left" in reason.lower():
        raise NoSpace(f"no space left for {name}", hint=f"df -h {name.absolute().parent}")
    raise ArtifactError(f"{name} could not be compressed: {reason}")


@contextmanager
def decompressed(file: Path) -> Iterator[IO[bytes]]:
    with file.open("rb") as source:
        # Without moving on: zstd reads from where the descriptor stands.
        magic = os.pread(source.fileno(), len(ZSTD_MAGIC), 0)
        if magic.startswith(GZIP_MAGIC):
            with gzip.open(source, "rb") as stream:
                yield cast(IO[bytes], stream)
        elif magic == ZSTD_MAGIC:
            with from_zstd(source, file) as stream:
                yield stream
        else:
            yield source


@contextmanager
def from_zstd(source: IO[bytes], file: Path) -> Iterator[IO[bytes]]:
    zstd = require_tool(shutil.which("zstd"), "zstd", package="zstd")
    command = [zstd, "-q", "-d", "-c", WINDOW]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None
        try:
            yield process.stdout
            # A tar ends before its compressed file does; the checksum is behind it.
            while process.stdout.read(1 << 20):
                pass
        except BaseException:
            process.kill()
            raise
        finally:
            process.stdout.close()
            status = process.wait()
        if status != 0:
            errors.seek(0)
            reason = errors.read().decode(errors="replace").strip()
            raise BundleInvalid(f"{file} is not a complete bundle: {reason}")
