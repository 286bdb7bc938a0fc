"""What each command says, asked in process and without a lab."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
from typer.testing import CliRunner

from lab import cli
from lab.cli import _options
from lab.errors import InvalidValue, NoSuchLab
from lab.lifecycle import record as records
from lab.lifecycle.record import Record
from lab.paths import Paths, find_paths

COMMANDS = (
    ["doctor"],
    ["up"],
    ["status"],
    ["list"],
    ["kubeconfig"],
    ["kubectl"],
    ["ssh"],
    ["logs"],
    ["stop"],
    ["start"],
    ["down"],
    ["ci"],
    ["node", "add"],
    ["node", "remove"],
    ["artifacts", "build"],
    ["artifacts", "list"],
    ["artifacts", "export"],
    ["artifacts", "import"],
    ["artifacts", "prune"],
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    for kind in ("DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    for variable in ("SUDO_UID", "LAB_NAME", "LAB_TIMEOUT"):
        monkeypatch.delenv(variable, raising=False)
    return find_paths()


@pytest.fixture
def run() -> Callable[..., str]:
    """Return what a command that succeeds writes to stdout."""

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(cli.app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


@pytest.fixture
def made(home: Paths) -> Record:
    """Return the record of a lab that was made and is stopped."""
    record = Record(
        name="lab",
        lab_id="zzzz",
        created="2026-01-01T00:00:00+00:00",
        node_count=2,
        distribution="kubeadm",
        version="v1.36.3",
        artifacts={},
        joined=("n1", "n2"),
    )
    home.lab("lab").mkdir(parents=True)
    records.save(home, record)
    return record


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_is_one_sentence_and_examples(
    run: Callable[..., str], command: list[str]
) -> None:
    shown = run(*command, "--help")

    assert re.search(r"Examples:\s+.*lab " + " ".join(command), shown, re.DOTALL)


def test_what_lists_or_judges_offers_json(run: Callable[..., str]) -> None:
    without = [" ".join(command) for command in COMMANDS if "--json" not in run(*command, "--help")]

    # They hand over to another program, or their result is one path or file.
    assert without == [
        "kubeconfig",
        "kubectl",
        "ssh",
        "logs",
        "artifacts export",
        "artifacts import",
    ]


def test_without_labs_the_list_is_empty_and_tells_how_to_make_one(
    run: Callable[..., str],
) -> None:
    assert json.loads(run("list", "--json")) == []
    assert run("list") == ""


def test_a_stopped_lab_is_listed(run: Callable[..., str], made: Record) -> None:
    assert json.loads(run("list", "--json")) == [{"name": "lab", "state": "stopped", "nodes": 2}]


@pytest.mark.parametrize("command", ["status", "kubeconfig", "kubectl", "ssh n1", "logs n1"])
def test_a_lab_that_does_not_exist_is_a_usage_error(command: str) -> None:
    name, *rest = command.split()

    with pytest.raises(NoSuchLab, match="no lab called 'nowhere'"):
        CliRunner().invoke(cli.app, [name, "--name", "nowhere", *rest], catch_exceptions=False)


def test_the_status_of_a_stopped_lab_names_its_nodes_and_is_not_zero(made: Record) -> None:
    result = CliRunner().invoke(cli.app, ["status", "--json"], catch_exceptions=False)

    status = json.loads(result.stdout)
    assert result.exit_code == 4
    assert status["state"] == "stopped"
    assert [node["reason"] for node in status["nodes"]] == ["powered off", "powered off"]


def test_the_plan_of_a_stopped_lab_boots_it_and_writes_nothing(
    run: Callable[..., str], home: Paths, made: Record
) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.lab("lab").rglob("*")}

    planned = json.loads(run("up", "--plan", "--json"))

    steps = [(action["target"], action["action"]) for action in planned["actions"]]
    assert ("n1", "make and boot") in steps
    assert steps[-1] == ("cluster", "check")
    assert planned["changes"] == len(steps)
    assert {path: path.stat().st_mtime_ns for path in home.lab("lab").rglob("*")} == before


def test_the_plan_of_a_new_lab_makes_no_directory(run: Callable[..., str], home: Paths) -> None:
    shown = run("up", "--plan", "--distribution", "kubeadm", "--servers", "3")

    assert "n4        prepare" in shown
    assert "nothing was changed yet" in shown
    assert not home.lab("lab").exists()


def test_a_lab_whose_removal_was_cut_short_is_incomplete(
    run: Callable[..., str], home: Paths, made: Record
) -> None:
    file = home.lab("lab") / "lab.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"leaving": "down"}))

    assert json.loads(run("list", "--json"))[0]["state"] == "incomplete"


@pytest.mark.parametrize(
    "arguments",
    [
        ["up", "--nodes", "many"],
        ["up", "--timeout", "0"],
        ["logs"],
        ["ssh"],
        ["frobnicate"],
        ["status", "--frobnicate"],
        ["logs", "n1", "--lines", "0"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli.app, arguments).exit_code == 2


@pytest.mark.parametrize("count", ["0", "-1", "13"])
def test_a_number_of_nodes_that_no_lab_has_is_refused_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, home: Paths, count: str
) -> None:
    monkeypatch.setattr("lab.lifecycle.up.require_root", lambda _: None)
    monkeypatch.setattr("lab.lifecycle.up.exclusive", lambda *_: pytest.fail("it began"))

    result = CliRunner().invoke(cli.app, ["up", "--nodes", count])

    assert isinstance(result.exception, InvalidValue)
    assert not home.data.exists()


def test_a_damaged_lab_does_not_hide_the_others(
    run: Callable[..., str], home: Paths, made: Record
) -> None:
    home.lab("broken").mkdir()
    (home.lab("broken") / "lab.json").write_text("{")

    labs = json.loads(run("list", "--json"))

    assert [(lab["name"], lab["state"]) for lab in labs] == [
        ("broken", "damaged"),
        (made.name, "stopped"),
    ]


def test_names_of_labs_and_nodes_complete(home: Paths, made: Record) -> None:
    context = SimpleNamespace(params={"name": "lab"})

    assert _options.complete_lab("l") == ["lab"]
    assert _options.complete_node(context, "n") == ["n1", "n2"]


@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_what_may_be_asked_of_the_service_can_be_read_without_a_lab(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    def become(program: str, argv: list[str]) -> NoReturn:
        started.append(argv[1:])
        raise SystemExit(0)

    monkeypatch.setattr("os.execv", become)

    result = CliRunner().invoke(cli.app, ["chirps", "migrate", "plan", asked])

    assert (result.exit_code, result.stderr) == (0, "")
    assert started == [["-P", "-m", "lab.chirps", "migrate", "plan", asked]]
