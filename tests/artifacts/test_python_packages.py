"""What the images of the sample service import is what lab itself is pinned to."""

import re
import tomllib
from pathlib import Path

import pytest

from lab.artifacts import wheels
from lab.artifacts.postgresprograms import PostgresPrograms
from lab.artifacts.pythondeps import PythonDeps, remove_unused
from lab.artifacts.recipe import keys_of
from lab.errors import ToolMissing
from tests.artifacts.conftest import TextRecipe

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
FILES = ("requirements", "postgres")


def wanted(name: str) -> dict[str, str]:
    return wheels.pins(wheels.REQUIREMENTS / f"{name}.in")


def pinned(name: str) -> dict[str, str]:
    return wheels.pins(wheels.REQUIREMENTS / f"{name}.txt")


@pytest.mark.parametrize("name", FILES)
def test_the_images_hold_the_versions_that_lab_depends_on(name: str) -> None:
    dependencies = (line.partition("==") for line in PROJECT["dependencies"])
    project = {name.partition("[")[0]: version for name, _, version in dependencies}

    assert wanted(name)
    assert wanted(name).items() <= project.items()


@pytest.mark.parametrize("name", FILES)
def test_what_is_asked_for_is_what_is_pinned(name: str) -> None:
    assert wanted(name).items() <= pinned(name).items()


@pytest.mark.parametrize("name", FILES)
def test_every_pin_has_digests(name: str) -> None:
    text = (wheels.REQUIREMENTS / f"{name}.txt").read_text()
    blocks = re.split(r"\n(?=\w)", text)

    assert len(blocks) == len(pinned(name))
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize("path", sorted(wheels.REQUIREMENTS.glob("*.txt")), ids=lambda p: p.name)
def test_no_place_to_fetch_from_is_written_down(path: Path) -> None:
    assert not re.search(r"https?:|--index|--find-links|file:", path.read_text())


def test_wheels_are_those_of_the_images_python_and_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    command = wheels.installer()

    assert command[command.index("--python-version") + 1] == wheels.PYTHON
    assert "manylinux_2_17_aarch64" in command
    assert not [word for word in command if "x86_64" in word]


def test_without_pip_uv_fetches_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.touch(mode=0o755)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    command = wheels.installer()

    assert command[0] == str(uv)
    assert command[command.index("--python-platform") + 1] == "x86_64-manylinux_2_28"
    assert command[command.index("--python-version") + 1] == wheels.PYTHON


def test_without_any_installer_the_next_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")

    with pytest.raises(ToolMissing) as caught:
        wheels.installer()
    assert caught.value.hint.endswith("-m ensurepip")


def test_what_only_compilers_and_type_checkers_read_is_removed(tmp_path: Path) -> None:
    kept = ("pkg/__init__.py", "pkg/fast.so", "pkg-1.dist-info/METADATA")
    unused = ("pkg/fast.pyx", "pkg/deep/fast.pxd", "pkg/__init__.pyi", "pkg-1.dist-info/RECORD")
    for name in (*kept, *unused, "bin/tool", "pkg-1.dist-info/sboms/a.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    remove_unused(tmp_path)

    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == {*kept}


@pytest.mark.parametrize("file", ["requirements.txt", "postgres.txt"])
def test_a_changed_pin_changes_one_key(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: type[TextRecipe]
) -> None:
    recipes = (recipe("pythonbase"), PythonDeps(), PostgresPrograms())
    before = keys_of(recipes)
    for path in wheels.REQUIREMENTS.glob("*.txt"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / file).write_text("changed==1\n")
    monkeypatch.setattr(wheels, "REQUIREMENTS", tmp_path)
    after = keys_of(recipes)

    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"requirements.txt": {"pythondeps"}, "postgres.txt": {"postgres"}}[file]
