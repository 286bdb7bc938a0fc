"""lab up, ci and artifacts --on kind: what is refused before Docker is asked anything."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab import cli
from lab.cli import _kind
from lab.errors import BadInput, InvalidValue
from lab.lifecycle import record as records
from lab.machines.kind import KindCluster
from lab.paths import find_paths
from tests.lifecycle.test_record import make

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for kind in ("DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))


def told(*arguments: str) -> tuple[int, str]:
    """Return exit code and output, without the breaks that a narrow terminal makes."""
    done = CliRunner().invoke(cli.app, list(arguments))
    return done.exit_code, " ".join(done.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["up", "--on", "clouds"], "neither sandbox nor kind"),
        (["up", "--image", "some:1"], "--image is about --on kind"),
        (["up", "--on", "kind", "--servers", "3"], "--servers is of no use with --on kind"),
        (["up", "--on", "kind", "--distribution", "k3s"], "--distribution is of no use"),
        (["ci", "--on", "sandbox"], "'sandbox' is not made for one command"),
        (["ci", "--nodes", "2"], "--nodes is about --on kind"),
        (["ci", "--image", "some:1"], "--image is about --on kind"),
        (["artifacts", "build", "--image", "some:1"], "--image is about --on kind"),
        (["artifacts", "build", "--on", "kind", "--k3s-dir", "."], "--k3s-dir is of no use"),
        (["doctor", "--stage", "kind", "--fix"], "Docker is installed by its own means"),
    ],
)
def test_options_that_mean_nothing_together_are_refused(arguments: list[str], why: str) -> None:
    code, said = told(*arguments)

    assert code == 2
    assert why in said


def test_a_lab_of_kind_is_one_without_being_told_again() -> None:
    paths = find_paths()
    for name, cluster in (("containers", KindCluster("lab-containers", "abcd")), ("others", None)):
        paths.lab(name).mkdir(parents=True)
        record = make(name)
        records.save(paths, replace(record, kind=cluster))

    assert _kind.is_on_kind(None, "containers")
    assert not _kind.is_on_kind(None, "others")
    assert not _kind.is_on_kind(None, "none-yet")
    assert not _kind.is_on_kind("sandbox", "containers")


@pytest.fixture
def drains(tmp_path: Path) -> Path:
    """A folder in which nothing can be shown on two nodes."""
    folder = tmp_path / "scenarios"
    shutil.copytree(SCENARIOS / "drain-vs-pdb", folder / "drain-vs-pdb")
    return folder


def test_where_the_cluster_to_be_made_can_show_nothing_it_is_refused_with_the_reason(
    drains: Path,
) -> None:
    arguments = ["ci", "--on", "kind", "--nodes", "2", "--scenarios", str(drains)]

    done = CliRunner().invoke(cli.app, arguments)

    assert isinstance(done.exception, BadInput)
    assert "drain-vs-pdb cannot be shown on the kind" in done.exception.message
    assert "this cluster has 2 nodes" in done.exception.message


def test_a_budget_that_making_the_cluster_would_use_up_is_refused_before_docker_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    junit = tmp_path / "results.xml"
    arguments = ["ci", "--on", "kind", "--budget", "2m", "--junit", str(junit)]

    done = CliRunner().invoke(cli.app, arguments)

    assert isinstance(done.exception, InvalidValue)
    assert "a budget of 120 s is too small: on kind, 128 s to make" in done.exception.message
    assert "lab ci --stage kind" in (done.exception.hint or "")
    assert "is too small" in junit.read_text()
