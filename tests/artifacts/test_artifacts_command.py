"""`lab artifacts build` and `export`: for the distribution that `lab up` would take, in process."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lab import artifacts, cli
from lab.artifacts.k3s import K3sRelease
from lab.artifacts.k3s_source import Directory, Release
from lab.artifacts.recipe import Artifact, Recipe
from lab.errors import ArtifactError, InvalidValue
from lab.lifecycle import choice

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the command directories of its own, and nobody at the release's home.

    What a user names is taken to be there: no test may ask a mirror.
    """
    for kind in ("DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    for variable in ("SUDO_UID", "LAB_DISTRIBUTION", "CI"):
        monkeypatch.delenv(variable, raising=False)
    nobody = "https://there does not answer"
    monkeypatch.setattr(choice, "find_trouble", lambda k3s: "" if k3s.source else nobody)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Recipe]:
    """Return the recipes by name that a command wants; nothing is built."""
    wanted: dict[str, Recipe] = {}

    def ensure(recipes: Sequence[Recipe], **_: Any) -> dict[str, Artifact]:
        wanted.update({recipe.name: recipe for recipe in recipes})
        return {name: Artifact(name, "key", Path(name)) for name in wanted}

    def export(file: Path, recipes: Sequence[Recipe], **_: Any) -> None:
        file.write_bytes(b"")
        ensure(recipes)

    monkeypatch.setattr(artifacts, "ensure", ensure)
    monkeypatch.setattr(artifacts, "export_bundle", export)
    return wanted


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli.app, ["artifacts", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(params=["build", "export"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """Return each of the commands that bring artifacts, as it is called."""
    return {"build": ["build"], "export": ["export", str(tmp_path / "b.tar")]}[request.param]


def test_k3s_is_taken_where_its_release_can_be_had(
    asked: dict[str, Recipe], command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "find_trouble", lambda k3s: "")

    run(*command)

    assert {"noderoot", "k3sprobe", "k3s"} <= asked.keys()
    assert "kubernetes" not in asked


def test_kubeadm_is_taken_otherwise_and_it_is_told_why(
    asked: dict[str, Recipe], command: list[str]
) -> None:
    said = run(*command).stderr

    assert "kubeadm and not k3s: https://there does not answer" in said
    assert {"kubernetes", "images"} <= asked.keys()
    assert "k3s" not in asked


@pytest.mark.parametrize(
    ("distribution", "artifact"), [("k3s", "k3sprobe"), ("kubeadm", "kubernetes")]
)
def test_who_names_a_distribution_gets_it_and_the_service_with_it(
    asked: dict[str, Recipe], command: list[str], distribution: str, artifact: str, tmp_path: Path
) -> None:
    source = ["--k3s-dir", str(tmp_path)] if distribution == "k3s" else []

    run(*command, "--distribution", distribution, *source)

    assert {artifact, "noderoot"} <= asked.keys()
    assert any("chirps" in name or "service" in name for name in asked)


def test_the_variable_that_lab_up_reads_counts_here_too(
    asked: dict[str, Recipe], command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_DISTRIBUTION", "kubeadm")

    assert run(*command).stderr == ""
    assert "kubernetes" in asked


def test_a_directory_or_a_mirror_is_where_k3s_comes_from(
    asked: dict[str, Recipe], command: list[str], tmp_path: Path
) -> None:
    run(*command, "--k3s-dir", str(tmp_path))
    near = asked["k3s"]
    run(*command, "--k3s-mirror", "https://mirror.example/k3s")
    far = asked["k3s"]

    assert isinstance(near, K3sRelease)
    assert isinstance(far, K3sRelease)
    assert near.source == Directory(tmp_path)
    assert far.source == Release(far.lock.version, "https://mirror.example/k3s")


def test_two_places_of_k3s_are_refused(
    asked: dict[str, Recipe], command: list[str], tmp_path: Path
) -> None:
    with pytest.raises(InvalidValue, match="--k3s-dir and --k3s-mirror both"):
        run(*command, "--k3s-dir", str(tmp_path), "--k3s-mirror", "https://mirror.example")

    assert asked == {}


def test_a_lab_that_is_there_does_not_decide_what_is_built(
    asked: dict[str, Recipe], tmp_path: Path
) -> None:
    (tmp_path / "data/lab/lab").mkdir(parents=True)
    (tmp_path / "data/lab/lab/lab.json").write_text("{}")

    run("build", "--distribution", "kubeadm")

    assert "kubernetes" in asked


def test_in_ci_nothing_else_than_k3s_is_built_without_being_asked_for(
    asked: dict[str, Recipe], command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")

    with pytest.raises(ArtifactError, match="CI=true") as caught:
        run(*command)

    assert caught.value.hint == "the same with --distribution kubeadm"
    assert asked == {}


def test_what_was_built_is_told_as_json_too(asked: dict[str, Recipe], tmp_path: Path) -> None:
    shown = json.loads(run("build", "--k3s-dir", str(tmp_path), "--json").stdout)

    assert {"name": "k3s", "key": "key", "path": "k3s"} in shown
