"""What the commands that show runs say, in process."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab import cli
from lab.cli.demo import _Kept
from lab.cli.report import open_store
from lab.errors import BadInput, InvalidValue, NoSuchRun, PortTaken
from lab.live.server import bind
from tests.report import judged


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.setenv("LAB_RUNS", str(tmp_path))
    judged.write_run(tmp_path / "half-migrated-rename")
    return tmp_path


@pytest.fixture
def taken() -> Iterator[str]:
    listener = bind(0)
    yield str(listener.getsockname()[1])
    listener.close()


def call(*arguments: str) -> str:
    return CliRunner().invoke(cli.app, list(arguments), catch_exceptions=False).output


@pytest.mark.parametrize(
    "command",
    [
        ["serve"],
        ["report", "replay"],
        ["demo", "half-migrated-rename", "--replay", "latest"],
        ["demo", "half-migrated-rename", "--stage", "twin"],
    ],
)
def test_a_port_that_is_taken_is_told_before_anything_is_done(taken: str, command: list[str]):
    with pytest.raises(PortTaken, match=f"port {taken} of 127.0.0.1 is taken"):
        call(*command, "--port", taken)


def test_a_run_that_there_is_not_is_refused():
    with pytest.raises(NoSuchRun):
        call("serve", "lock-queue", "--port", "0")


def test_a_speed_that_there_is_not_is_refused_with_those_there_are():
    with pytest.raises(InvalidValue, match="7 is no speed of a replay; there are 1, 2, 5, 10, 20"):
        call("report", "replay", "--speed", "7", "--port", "0")


def test_a_run_of_another_scenario_is_no_demonstration():
    with pytest.raises(NoSuchRun, match="is of another scenario than lock-queue"):
        call("demo", "lock-queue", "--replay", "half-migrated-rename", "--port", "0")


def test_many_runs_are_not_watched_on_a_terminal():
    with pytest.raises(BadInput, match="--watch shows one run"):
        call("scenario", "run", "--all", "--stage", "twin", "--watch")


def test_an_export_is_one_file(tmp_path: Path):
    path = tmp_path / "out.html"

    told = call("report", "export", "latest", "--output", str(path))

    assert told.startswith(f"Wrote {path}")
    assert 'id="glances"' in path.read_text()
    assert "http://" not in path.read_text()


@pytest.mark.parametrize(
    "command", [["serve"], ["demo"], ["report", "replay"], ["report", "export"]]
)
def test_help_has_examples(command: list[str]):
    assert "Examples:" in call(*command, "--help")


def test_what_the_room_said_before_the_run_was_there_is_kept_with_it(runs: Path):
    store = open_store(runs)
    kept = _Kept(store)
    kept({"careless": {"worst": 50}})
    run = store.create("half-migrated-rename", {})
    assert not (run.path / "guesses.json").exists()

    kept.begin(run)

    assert json.loads((run.path / "guesses.json").read_text()) == {"careless": {"worst": 50}}


def test_where_the_room_says_nothing_nothing_is_kept(runs: Path):
    store = open_store(runs)
    run = store.create("half-migrated-rename", {})

    _Kept(store).begin(run)

    assert not (run.path / "guesses.json").exists()
