"""Old code is old code: each release is a module of its own, alone in its image."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lab
from lab.chirps import releases
from lab.chirps.errors import NoSuchRelease

LAB = Path(lab.__file__).parent


def test_every_release_of_this_tree_loads() -> None:
    loaded = {code: releases.load(code) for code in releases.available()}

    assert {code: (each.NUMBER, each.REQUIRED_SCHEMA) for code, each in loaded.items()} == {
        "v1": (1, 5),
        "v2": (2, 6),
        "v2_lang": (2, 6),
        "v2_naive": (2, 6),
        "v3": (3, 8),
    }


@pytest.mark.parametrize("code", ["v9", "", "__init__", "v1.py", "os", "..v1"])
def test_a_release_that_is_not_there_is_refused_with_those_that_are(code: str) -> None:
    with pytest.raises(NoSuchRelease, match=r"it has v1, v2, v2_lang, v2_naive, v3"):
        releases.load(code)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree as in the image of v1: `lab/__init__.py`, lab.goose, lab.chirps with one release."""
    place = tmp_path_factory.mktemp("image")
    tree = place / "lab"
    tree.mkdir()
    shutil.copy(LAB / "__init__.py", tree)
    for room in ("goose", "chirps"):
        shutil.copytree(LAB / room, tree / room, ignore=shutil.ignore_patterns("__pycache__"))
    for other in (each for each in releases.available() if each != "v1"):
        (tree / "chirps" / "releases" / f"{other}.py").unlink()
    return place


def serve_in(image: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "lab.chirps", "serve"],
        env={"PYTHONPATH": str(image), "CHIRPS_CODE": code, "CHIRPS_HOST": "192.0.2.1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_image_without_the_release_says_so_and_ends_with_78(image: Path) -> None:
    done = serve_in(image, "v2")

    assert done.returncode == 78
    assert "CHIRPS_CODE: this image has no release 'v2' (it has v1)" in done.stderr


def test_an_image_has_all_that_its_release_imports(image: Path) -> None:
    done = serve_in(image, "v1")

    # It came as far as its socket, on an address that is nobody's.
    assert done.returncode == 1
    assert "cannot listen on 192.0.2.1:8080" in done.stderr
