"""On a library that the images hold, with the debug data it is published with."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.artifacts import elf


@pytest.fixture
def library(tmp_path: Path) -> Path:
    found = importlib.util.find_spec("httptools.parser.url_parser")
    assert found is not None
    assert found.origin is not None
    return Path(shutil.copy(found.origin, tmp_path / Path(found.origin).name))


def load(library: Path) -> subprocess.CompletedProcess[str]:
    """Load it in an interpreter of its own, which does not have it already."""
    code = f"import ctypes; print(ctypes.PyDLL({str(library)!r}).PyInit_url_parser is not None)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_a_trimmed_library_is_smaller_and_loads(library: Path) -> None:
    before = library.stat().st_size

    saved = elf.trim(library)

    assert saved > 0
    assert library.stat().st_size == before - saved
    assert load(library).stdout == "True\n"


def test_a_trimmed_library_is_left_alone(library: Path) -> None:
    elf.trim(library)
    content = library.read_bytes()

    assert elf.trim(library) == 0
    assert library.read_bytes() == content


def test_what_is_appended_to_a_library_goes(library: Path) -> None:
    elf.trim(library)
    content = library.read_bytes()
    library.write_bytes(content + b"debug data")

    assert elf.trim(library) == len(b"debug data")
    assert library.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(100)])
def test_what_is_no_such_program_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lib.so"
    path.write_bytes(content)

    assert elf.trim(path) == 0
    assert path.read_bytes() == content


def test_links_are_not_followed(tmp_path: Path, library: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "lib.so").symlink_to(library)

    assert elf.trim_below(folder) == 0
