import os
from pathlib import Path

import pytest

from lab.artifacts import toolchain
from lab.artifacts.gobuild import GoPrograms, go_directories, newest_go, variables
from lab.artifacts.gomodule import parse_go_mod, parse_version
from lab.artifacts.kind import kind_recipes
from lab.artifacts.kubeadm import MODULES
from lab.paths import Paths
from lab.progress import Silent

GO_MOD = """\
module lab.invalid/x

go 1.26.6

require example.test/one v1.2.3

require (
	example.test/two v0.0.0 // indirect
)

replace example.test/two => example.test/three v3.0.0

replace (
	example.test/four => example.test/four v4.0.0
)
"""


def test_go_line_and_requirements_are_read_and_replacements_left_out() -> None:
    module = parse_go_mod(GO_MOD)

    assert module.go == (1, 26, 6)
    assert module.requires == {"example.test/one": "v1.2.3", "example.test/two": "v0.0.0"}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.26.8", (1, 26, 8)),
        ("1.26", (1, 26, 0)),
        ("v1.36.3", (1, 36, 3)),
        ("go1.27rc1", (1, 27, 0)),
    ],
)
def test_versions_are_read_as_go_writes_them(text: str, version: tuple[int, int, int]) -> None:
    assert parse_version(text) == version


def test_what_is_no_version_is_told() -> None:
    with pytest.raises(ValueError, match="no version in 'devel'"):
        parse_version("devel")


def test_the_pinned_toolchain_is_new_enough_for_every_module() -> None:
    recipes = [recipe for recipe in kind_recipes() if isinstance(recipe, GoPrograms)]
    modules = tuple(recipe.module for recipe in recipes)

    assert {module.name for module in modules} == {path.name for path in MODULES.iterdir()}
    assert parse_version(toolchain.pinned_name()) >= newest_go(modules)


def fake_go(directory: Path, version: str) -> Path:
    directory.mkdir(parents=True)
    go = directory / "go"
    go.write_text(f"#!/bin/sh\necho {version}\n")
    go.chmod(0o755)
    return go


def test_the_first_go_that_is_new_enough_is_taken(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_go(tmp_path / "old", "go1.19")
    wanted = fake_go(tmp_path / "new", "go1.99.1")
    monkeypatch.setenv("PATH", f"{tmp_path}/old:{tmp_path}/new:{os.environ['PATH']}")

    found = toolchain.find_toolchain((1, 26, 6), paths=paths, progress=Silent())

    assert (found.go, found.version) == (wanted, (1, 99, 1))


def test_a_go_that_was_fetched_is_used_again(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = fake_go(paths.cache / "build" / toolchain.pinned_name() / "go/bin", "go1.99.1")
    monkeypatch.setattr(toolchain, "host_candidates", lambda: iter(()))

    found = toolchain.find_toolchain((1, 26, 6), paths=paths, progress=Silent())

    assert found.go == fetched


def test_builds_write_nowhere_but_below_the_cache(paths: Paths) -> None:
    for directory in go_directories(paths).values():
        assert Path(directory).is_relative_to(paths.cache)


def test_the_users_go_settings_cannot_change_what_is_built(paths: Paths) -> None:
    fixed = variables(paths, "arm64")

    assert (fixed["GOOS"], fixed["CGO_ENABLED"], fixed["GOWORK"]) == ("linux", "0", "off")
    assert fixed["GOARCH"] == "arm64"
    assert not fixed.keys() & {"GOPROXY", "GONOSUMDB", "GOFLAGS", "GOPRIVATE"}


def test_a_program_without_stamps_is_only_stripped(tmp_path: Path) -> None:
    assert GoPrograms("x", tmp_path).ldflags() == "-s -w"
