"""Which failures a log or a counter explains, from lines that a twin's pods wrote."""

import pytest

from lab.scenario import card_told, figures, heard, ledger, traffic
from lab.scenario.card import Told
from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.judge import judge
from tests.scenario.histories import Line, careful, careless, half_migrated_rename
from tests.scenario.test_figures import event

SCENARIO = half_migrated_rename()
CARELESS = careless(SCENARIO)
EVENTS = CARELESS.events()
HURT = round(CARELESS.changed_s * NS)
FAILED = "request endpoint=list_chirps method=GET status=500 sqlstate=42703"


def log(text: str, release: str | None = "v1", level: str = "warning", count: int = 7) -> Line:
    told = {"pod": f"{release}-0", "release": release, "level": level, "text": text}
    return {"kind": "log", "t": HURT, "last": HURT + NS, "count": count, **told}


def metric(release: str = "v1", name: str = "chirps_requests_total", **labels: str) -> Line:
    told = {"name": name, "labels": labels, "release": release, "pods": 4}
    return {"kind": "metric", "t": HURT, "before": 0, "after": 840, **told}


def listened(what: str, detail: str = "") -> Line:
    return {"kind": "heard", "t": HURT, "what": what, "whole": not detail, "detail": detail}


STARTING = log("request endpoint=startupz method=GET status=503")
ENDING = log("request endpoint=readyz method=GET status=503")
LISTENED = (listened("logs"), listened("metrics"))


def history(*more: Line, events: list[Line] = EVENTS, **changes: object) -> History:
    """`changes` are fields of each failed request."""
    lines = [{**line, **changes} if is_failed(line) else line for line in events]
    return History(sorted([*lines, *LISTENED, *more], key=lambda line: line["t"]))


def is_failed(line: Line) -> bool:
    return line["kind"] == "request" and line["outcome"] != "ok"


def told(of: History) -> dict[str, Told]:
    window = figures.window_of(of)
    found = card_told.told(of, window, traffic.failures(of, window))
    return {each.way: each for each in found}


def test_a_line_that_names_release_and_sqlstate_of_the_failures_tells_why():
    found = told(history(log(FAILED)))["log line"]

    assert found == Told("log line", True, f"{FAILED} (v1, 7 times)")


@pytest.mark.parametrize(
    "line", [log(FAILED, release="v2"), log(FAILED.replace("42703", "23502")), log("worker")]
)
def test_a_line_of_another_release_or_another_cause_does_not(line):
    found = told(history(line))["log line"]

    assert found.ok is False
    assert "failures, v1 42703; it says" in found.says


def test_a_log_that_says_nothing_is_told_as_such():
    assert told(history())["log line"].says.endswith("it says nothing at all")


def test_what_nobody_answered_is_explained_by_a_reason_in_the_log_of_any_pod():
    nobody = {"outcome": "refused", "status": None, "sqlstate": None, "release": None}
    gate = log('gate act=run fit=too-new reason="schema 6 is newer than 5"')

    assert told(history(gate, **nobody))["log line"].ok is True
    assert told(history(log(FAILED, level="info"), **nobody))["log line"].ok is False
    assert "answered by nobody" in told(history(**nobody))["log line"].says


def test_a_message_of_another_time_does_not_count():
    late = {**log(FAILED), "t": EVENTS[-1]["t"] + NS, "last": EVENTS[-1]["t"] + NS}

    assert told(history(late))["log line"].ok is False


def test_a_counter_that_moved_tells_where_it_names_release_and_cause():
    good = metric(status="500", sqlstate="42703", release="v1")

    found = told(history(good))["metric"]

    shown = 'chirps_requests_total{status="500", sqlstate="42703"} of v1, +840'
    assert found == Told("metric", True, shown)
    assert told(history(metric(status="500", sqlstate="")))["metric"].ok is False
    assert told(history(metric("v2", sqlstate="42703")))["metric"].ok is False


def test_a_command_in_a_log_line_is_a_next_step():
    found = told(history(log("refused: ask `chirps migrate status` first")))["next step"]

    assert found == Told("next step", True, "chirps migrate status (in the log of v1)")


def test_what_a_command_answers_is_one_as_well():
    step = {"next": ["ALTER ROLE chirps_v2 NOLOGIN"], "sentence": "a v2 is connected"}
    answer = {"kind": "answer", "t": HURT, "name": "can-i-contract", "code": 1, "told": step}

    found = told(history(answer))["next step"]

    assert found.says == "ALTER ROLE chirps_v2 NOLOGIN (said by can-i-contract)"


def test_a_log_that_names_a_cause_only_leaves_the_next_step_open():
    found = told(history(log(FAILED)))["next step"]

    assert found == Told("next step", False, "no log and no command says what to type")


def test_where_no_log_was_heard_nobody_says_that_there_was_no_next_step():
    assert "next step" not in told(History(EVENTS))


@pytest.mark.parametrize("text", ["the lab is open", "chirps 5xx", "serving port=8080", "gate lab"])
def test_prose_is_no_command(text):
    assert heard.command_in(text) is None


@pytest.mark.parametrize(
    "command",
    [
        "lab chirps migrate why-not --json",
        "kubectl -n lab rollout undo deployment/chirps",
        "psql -c",
        "ALTER ROLE chirps_v2 NOLOGIN",
    ],
)
def test_a_command_is_found_in_the_middle_of_a_sentence(command):
    assert heard.command_in(f"it is held up: `{command}` says by whom") == command


def test_where_nothing_failed_there_was_nothing_to_tell():
    found = told(history(events=careful(SCENARIO).events()))

    assert {each.ok for each in found.values()} == {None}


def test_the_card_says_how_it_knows_and_what_is_missing():
    cut = listened("logs", "pods that could not be asked: v1-3")

    whole = judge(SCENARIO, SCENARIO.careless, history())
    lacking = judge(SCENARIO, SCENARIO.careless, history(cut))
    inferred = judge(SCENARIO, SCENARIO.careless, History(EVENTS))

    assert whole.card is not None
    assert whole.card.heard == "as pods told them"
    assert lacking.card is not None
    assert lacking.card.heard.endswith("without logs: pods that could not be asked: v1-3")
    assert inferred.card is not None
    assert inferred.card.heard.startswith("inferred from the answers")


def test_the_verdict_does_not_depend_on_what_pods_told():
    assert judge(SCENARIO, SCENARIO.careless, history(log(FAILED))) == judge(
        SCENARIO, SCENARIO.careless, History(EVENTS)
    )


def test_warnings_are_signals_that_wake_nobody_and_the_same_of_all_pods_is_one():
    of = history(
        log(FAILED),
        {**log(FAILED, count=5), "last": HURT + 9 * NS},
        log("applied version=6", level=""),
        STARTING,
    )
    window = figures.window_of(of)

    kept = ledger.keep(of, window, traffic.failures(of, window))

    (row,) = (each for each in kept.rows if each.source == "log")
    assert (row.what, row.count, row.wakes) == (f"v1 {FAILED}", 12, ledger.Wakes.NOBODY)
    assert row.lasts_s == 9


def test_hostile_text_stays_text():
    evil = "<script>lab</script> \x1b[2J {0} %s"

    found = told(history(log(evil), event(HURT, "Warning")))["log line"]

    assert evil in found.says
