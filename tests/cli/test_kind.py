"""lab up, ci and artifacts --on kind: what is refused before Docker is asked anything."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab import cli
from lab.cli import _kind, _series
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
        (["up", "--on", "kind", "--accept-new-host-keys"], "--accept-new-host-keys is of no use"),
        (["ci", "--on", "kind", "--stage", "sandbox"], "'sandbox' is another stage"),
        (["ci", "--on", "kind", "--clock", "fast"], "they are kind's own"),
        (["demo", "lock-queue", "--replay", "latest", "--stage", "twin"], "about playing one"),
        (["demo", "lock-queue", "--replay", "latest", "--clock", "fast"], "about playing one"),
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
    assert [_kind.stage_of(None, name) for name in ("containers", "others")] == ["kind", "sandbox"]
    assert _kind.stage_of("twin", "containers") == "twin"


def test_a_demonstration_is_played_on_what_the_labs_nodes_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, object] = {}
    paths = find_paths()
    paths.lab("containers").mkdir(parents=True)
    records.save(paths, replace(make("containers"), kind=KindCluster("lab-containers", "abcd")))

    def choose(*_: object, **told: object) -> None:
        asked.update(told)
        raise InvalidValue("asked")

    monkeypatch.setattr(_series, "choose", choose)
    arguments = ["demo", "lock-queue", "--name", "containers", "--clock", "fast", "--port", "0"]

    CliRunner().invoke(cli.app, arguments)

    assert asked == {"stage": "kind", "lab_name": "containers", "clock": "fast"}


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
