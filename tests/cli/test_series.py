"""lab scenario run of several, and lab ci: in process, on a simulated place and on fake time."""

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
from typer.testing import CliRunner

from lab import cli
from lab.cli import _output
from lab.cli._series import read_time
from lab.errors import BadInput, Interrupted, LabError, NotRoot
from lab.report import files, junit
from lab.scenario import runner
from lab.stages import choice, twin
from tests.stages.places import BOUNDS, Grounds, dirty, fails_with, nothing

QUICK = Path(__file__).parent.parent / "e2e/service/scenarios/quick"

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def grounds(monkeypatch: pytest.MonkeyPatch) -> Grounds:
    """Where everything is played: what `lab` would take for the twin."""
    grounds = Grounds()
    place = replace(grounds.place, lacks=twin.LACKS)
    monkeypatch.setattr(choice, "_all", lambda *_, **__: (place,))
    monkeypatch.setattr(runner, "Clock", grounds.time.clock)
    monkeypatch.setattr(runner, "Bounds", lambda: BOUNDS)
    return grounds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three scenarios, of which no twin can show the last."""
    for name in ("alpha", "beta", "gamma"):
        shutil.copytree(QUICK, tmp_path / "scenarios" / name)
        file = tmp_path / "scenarios" / name / "scenario.py"
        needs = 'needs=("nodes",),' if name == "gamma" else ""
        text = file.read_text().replace('name="quick",', f'name="{name}",{needs}')
        file.write_text(text)
    return tmp_path / "scenarios"


@pytest.fixture
def run(grounds: Grounds, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return the exit code of a command and what it writes to stdout."""
    for kind in ("DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)

    def run(*arguments: str) -> tuple[int, str]:
        where = ("--scenarios", str(folder), "--stage", "twin")
        result = CliRunner().invoke(cli.app, [*arguments, *where], catch_exceptions=False)
        return result.exit_code, result.stdout

    return run


def cases(report: Path) -> dict[str, str]:
    """Return what a JUnit file says of each case: the tags below it, but what is always there."""
    root = ElementTree.parse(report).getroot()
    return {
        f"{suite.get('name')} {case.get('name')}": " ".join(
            child.tag for child in case if child.tag not in ("properties", "system-out")
        )
        for suite in root
        for case in suite.iter("testcase")
    }


def test_ci_plays_all_that_the_stage_can_show_a_line_each(run: Run, grounds: Grounds) -> None:
    code, shown = run("ci")

    lines = shown.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines[2:6]] == ["alpha", "alpha", "beta", "beta"]
    assert lines[1].startswith("gamma")
    assert "LEFT OUT" in lines[1]
    assert "no node can lose its power" in lines[1]
    assert lines[2].split()[1:3] == ["careless", "REPRODUCED"]
    assert lines[3].split()[1:3] == ["careful", "PREVENTED"]
    assert lines[-1] == "4 as predicted, 2 left out"
    assert (grounds.entered, grounds.left) == (1, 1)


def test_ci_says_first_of_all_where_it_plays(run: Run) -> None:
    _, shown = run("ci")

    assert shown.splitlines()[0] == "twin, simulated 1, fake clock"


def test_ci_says_so_first_where_it_comes_to_play_nothing(run: Run) -> None:
    _, shown = run("ci", "--budget", "1s")

    first, second, *_ = shown.splitlines()
    assert first == "twin, fake clock"
    assert "LEFT OUT" in second


def test_the_junit_file_says_where_each_was_played(run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"

    run("ci", "--junit", str(report))

    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        told = {p.get("name"): p.get("value") for p in suite.findall("properties/property")}
        assert told == {"stage": "twin", "distribution": "simulated 1", "clock": "fake"}


def test_ci_says_as_json_what_scripts_look_for(run: Run) -> None:
    code, shown = run("ci", "--json")

    told: list[dict[str, Any]] = json.loads(shown)
    assert code == 0
    assert [(each["scenario"], each["variant"], each["outcome"]) for each in told] == [
        ("gamma", "careless", None),
        ("gamma", "careful", None),
        ("alpha", "careless", "reproduced"),
        ("alpha", "careful", "prevented"),
        ("beta", "careless", "reproduced"),
        ("beta", "careful", "prevented"),
    ]
    always = {"scenario", "variant", "stage", "distribution", "clock", "outcome", "reasons"}
    for each in told:
        assert always | {"requests", "signature", "run", "flaky", "round"} <= set(each)
    assert told[2]["run"].startswith("alpha/")
    assert told[2]["tries"] == 1


def test_ci_writes_junit_and_a_page_of_each_run(run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"

    run("ci", "--junit", str(report))

    assert cases(report) == {
        "gamma careless": "skipped",
        "gamma careful": "skipped",
        "alpha careless": "",
        "alpha careful": "",
        "beta careless": "",
        "beta careful": "",
    }
    assert len(list((tmp_path / "state/lab/runs").glob("*/2*/report.html"))) == 2


def test_where_the_report_cannot_be_written_nothing_is_played(
    run: Run, grounds: Grounds, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="there is no directory"):
        run("ci", "--junit", str(tmp_path / "nowhere/report.xml"))

    assert grounds.entered == 0


def test_a_run_that_the_lab_could_not_play_counts_most(
    run: Run, grounds: Grounds, tmp_path: Path
) -> None:
    grounds.troubles = [dirty, dirty, nothing, fails_with(LabError("no database", hint="look"))]
    report = tmp_path / "report.xml"

    code, shown = run("ci", "--junit", str(report))

    assert code == 4
    assert "INVALID" in shown
    assert "    try 1 proved nothing: baseline: " in shown
    assert "NOT PLAYED      no database\n    Hint: look" in shown
    assert shown.splitlines()[-1] == (
        "1 as predicted, 1 proved nothing, 2 could not be played, 2 left out, 1 tried twice"
    )
    assert cases(report)["alpha careless"] == "error rerunError"
    assert cases(report)["beta careless"] == "error"


def test_what_proved_nothing_once_is_told_and_no_failure(
    run: Run, grounds: Grounds, tmp_path: Path
) -> None:
    grounds.troubles = [dirty]
    report = tmp_path / "report.xml"

    code, shown = run("ci", "--junit", str(report))

    assert code == 0
    assert "try 1 proved nothing" in shown
    assert cases(report)["alpha careless"] == "flakyError"


def test_an_interruption_leaves_the_place_and_a_report_of_what_was_played(
    run: Run, grounds: Grounds, tmp_path: Path
) -> None:
    grounds.troubles = [nothing, nothing, fails_with(Interrupted("interrupted"))]
    report = tmp_path / "report.xml"

    with pytest.raises(Interrupted):
        run("ci", "--junit", str(report))

    assert (grounds.entered, grounds.left) == (1, 1)
    told = cases(report)
    assert [told["alpha careless"], told["beta careless"]] == ["", "skipped"]
    assert "left out: interrupted" in report.read_text()


def test_a_second_signal_leaves_the_report_of_an_interruption_whole(
    run: Run, grounds: Grounds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(cases: Any, place: Any) -> bytes:
        if any(case.left_out == "interrupted" for case in cases):
            signal.raise_signal(signal.SIGTERM)
        return render(cases, place)

    def interrupt(*_: object) -> None:
        raise Interrupted("the second")

    render = junit.render
    monkeypatch.setattr(junit, "render", again)
    grounds.troubles = [fails_with(Interrupted("the first"))]
    report = tmp_path / "report.xml"
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with pytest.raises(Interrupted):
            run("ci", "--junit", str(report))
    finally:
        signal.signal(signal.SIGTERM, before)

    assert "left out: interrupted" in report.read_text()


def test_an_interruption_while_pages_are_written_comes_when_all_is_left_and_told(
    run: Run, grounds: Grounds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        assert grounds.left == 1
        raise Interrupted("interrupted")

    monkeypatch.setattr(files, "write_page", interrupted)
    report = tmp_path / "report.xml"

    with pytest.raises(Interrupted):
        run("ci", "--junit", str(report))

    assert cases(report)["beta careful"] == ""


def test_a_place_that_cannot_be_entered_is_the_error_of_every_case(
    run: Run, grounds: Grounds, tmp_path: Path
) -> None:
    grounds.entering = [NotRoot("needs root")]
    report = tmp_path / "report.xml"

    with pytest.raises(NotRoot):
        run("ci", "--junit", str(report))

    assert cases(report)["beta careful"] == "error"
    assert 'message="needs root"' in report.read_text()


def test_a_budget_in_which_nothing_fits_proves_nothing(run: Run, grounds: Grounds) -> None:
    code, shown = run("ci", "--budget", "1s")

    assert code == 3
    assert grounds.entered == 0
    assert shown.count("it takes about") == 2
    assert shown.splitlines()[-1] == "6 left out"


def test_on_github_what_is_wrong_is_annotated_apart_from_the_result(
    run: Run, grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    noted: list[str] = []
    monkeypatch.setattr(_output, "note", noted.append)
    grounds.troubles = [fails_with(LabError("no database"))]

    _, shown = run("ci", "--json")

    assert len(json.loads(shown)) == 6
    assert "::error title=alpha careless%3A not played::no database" in noted


# lab scenario run.


def test_several_scenarios_are_played_as_they_were_named(run: Run) -> None:
    code, shown = run("scenario", "run", "beta", "alpha")

    assert code == 0
    assert [line.split()[0] for line in shown.splitlines()[1:5]] == [
        *("beta", "beta"),
        *("alpha", "alpha"),
    ]


def test_a_repetition_that_disagrees_is_told(run: Run, grounds: Grounds, tmp_path: Path) -> None:
    def no_column_goes(stage: Any) -> None:
        commit = stage._commit

        def without_effect(track: str, to: int) -> None:
            commit("rename-control", to)

        stage._commit = without_effect

    grounds.troubles = [nothing, no_column_goes]

    code, shown = run("scenario", "run", "alpha", "--variant", "careless", "--repeat", "2")

    assert code == 1
    assert shown.count("alpha  careless") == 3
    assert (
        "FLAKY  alpha  careless  reproduced (as predicted) 1 of 2, "
        "not reproduced (not as predicted) 1 of 2" in shown
    )


def test_one_scenario_is_shown_whole(run: Run, grounds: Grounds) -> None:
    code, shown = run("scenario", "run", "alpha")

    assert code == 0
    assert "careless: predicted against measured" in shown
    told = json.loads(run("scenario", "run", "alpha", "--json")[1])
    assert {each["variant"]: each["outcome"] for each in told} == {
        "careless": "reproduced",
        "careful": "prevented",
    }


def test_one_scenario_that_proved_nothing_is_tried_again_unless_that_is_not_wanted(
    run: Run, grounds: Grounds
) -> None:
    grounds.troubles = [dirty]
    once_more = run("scenario", "run", "alpha", "--variant", "careful", "--json")
    grounds.troubles = [dirty]
    as_it_is = run("scenario", "run", "alpha", "--variant", "careful", "--no-retry", "--json")

    assert (once_more[0], json.loads(once_more[1])[0]["tries"]) == (0, 2)
    assert (as_it_is[0], json.loads(as_it_is[1])[0]["tries"]) == (3, 1)


def test_one_scenario_in_which_the_lab_fails_is_an_error_of_its_own(
    run: Run, grounds: Grounds
) -> None:
    grounds.troubles = [fails_with(LabError("no database"))]

    with pytest.raises(LabError, match="no database"):
        run("scenario", "run", "alpha")


def test_what_the_stage_cannot_show_is_refused_when_it_is_named(run: Run) -> None:
    with pytest.raises(BadInput, match="gamma cannot be shown on the twin"):
        run("scenario", "run", "alpha", "gamma")


@pytest.mark.parametrize("arguments", [[], ["alpha", "--all"]], ids=" ".join)
def test_it_must_be_clear_what_is_meant(run: Run, arguments: list[str]) -> None:
    with pytest.raises(BadInput, match="say which scenarios to play, or --all"):
        run("scenario", "run", *arguments)


def test_all_is_everything_that_the_stage_can_show(run: Run) -> None:
    code, shown = run("scenario", "run", "--all", "--variant", "careful")

    assert code == 0
    assert shown.splitlines()[-1] == "2 as predicted, 1 left out"


# A time.


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("90s", 90), ("90", 90), ("1h", 3600), ("1h30m", 5400), ("2m30s", 150)],
)
def test_a_time_is_read(text: str, seconds: float) -> None:
    assert read_time(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "ten", "10x", "-5m", "m", "5m1h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no time"):
        read_time(text)


def test_the_list_tells_how_long_each_takes_on_the_clock_that_is_asked_for(
    folder: Path, tmp_path: Path
) -> None:
    def listed(*more: str) -> str:
        given = ["scenario", "list", "--scenarios", str(folder), "--runs", str(tmp_path / "none")]
        result = CliRunner().invoke(cli.app, [*given, *more], catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    told = {each["name"]: each for each in json.loads(listed("--json", "--clock", "fast"))}

    assert told["alpha"]["clock"] == "fast"
    assert set(told["alpha"]["seconds"]) == {"sandbox", "kind", "twin"}
    assert set(told["gamma"]["seconds"]) == {"sandbox", "kind"}
    assert "twin" in listed()
    with pytest.raises(BadInput, match="there is no clock 'slow'"):
        listed("--clock", "slow")
