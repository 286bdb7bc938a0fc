"""What a tired person reads."""

import dataclasses
import io

import pytest
from rich.console import Console

from lab.report import terminal, view
from lab.report.stored import StoredRun, StoredVariant
from lab.scenario.verdict import Outcome
from tests.report import judged, synthetic
from tests.report.synthetic import CARELESS

HEAD = """\
half-migrated-rename on sandbox, kubeadm v1.36.1, honest clock                          AS PREDICTED
A rename, half-way through a rolling update
run 20261125T013000Z

careless  REPRODUCED  1 076 of 4 206 requests failed, 25.6 % (95 %: 24.3 to 26.9 %)
careful   PREVENTED   0 of 4 206 requests failed, 0 % (95 %: at most 0.071 %)
"""

CARELESS_PART = """\
careless: what happened
  -20.0 s  baseline: 1 200 requests, 0 failed, p99 10.7 ms
  +0.00 s  requested: migrate, roll out at +2.00 s
  +1.40 s  schema 6 committed (± 2.00 ms)
  +1.41 s  first failure: v1 create_chirp 42703, 0.01 s after schema 6
  +6.30 s  first v2-naive pod ready; no v1 pod ready from +39.1 s
  +39.0 s  last failure, 37.6 s after the first: 1 076 in all, at worst 50 of 60 at +2 s

careless: predicted against measured
           predicted  measured
  holds         0.95         1  failures are v1 x 42703
  holds     0 to 1 s      0.01  first failure follows the commit of schema version 6
  holds          767       797  number of failures, fresh
  holds          265       279  number of failures, keepalive

careless: how requests failed
      523  48.6 %  v1  42703  list_chirps  http_5xx
      277  25.7 %  v1  42703  create_chirp  http_5xx
      276  25.7 %  v1  42703  get_chirp  http_5xx
"""

FIGURES = """\
silent seconds                  ∞        -  users failed and no signal reached an operator
"""


@pytest.mark.parametrize("part", [HEAD, CARELESS_PART, FIGURES])
def test_a_run_reads_like_this(shown, part):
    assert part in terminal.summary(shown)


def test_the_path_of_the_page_stands_last(shown):
    assert terminal.summary(shown, page="/r/report.html").endswith("\n\nreport: /r/report.html")


def test_lines_fit_a_hundred_columns(shown):
    assert max(map(len, terminal.summary(shown).splitlines())) <= 100


def test_colours_add_nothing_to_the_text(shown):
    console = Console(width=100, file=io.StringIO(), force_terminal=False)

    console.print(terminal.renderable(shown))

    printed = console.file.getvalue()
    assert [line.rstrip() for line in printed.splitlines()] == terminal.summary(shown).splitlines()


def test_an_invalid_run_says_first_that_it_proves_nothing():
    events = [each for each in synthetic.history(CARELESS).events if each.get("name") != "teardown"]
    verdict = judged.verdict(CARELESS, events)
    assert verdict.outcome is Outcome.INVALID

    told = terminal.summary(build(events, verdict=verdict))

    assert told.splitlines()[0].endswith("THIS RUN PROVES NOTHING")
    assert "careless  INVALID" in told
    assert "! This run proves nothing, whatever the numbers look like:\n" in told
    assert "! the run did not come to its end: no teardown" in told
    assert "predicted against measured" not in told


def test_damage_is_told_before_the_numbers():
    told = terminal.summary(build([], damage=("verdict.json is missing",)))

    lines = told.splitlines()
    assert lines.index("! verdict.json is missing") < lines.index(
        "           no fault came; 0 requests were sent"
    )


def test_what_does_not_hold_is_told_with_its_details(shown):
    check = dataclasses.replace(
        shown.variants[0].checks[2], ok=False, measured="12", detail="too few"
    )
    variant = dataclasses.replace(shown.variants[0], checks=(check,), as_predicted=False)

    told = terminal.summary(dataclasses.replace(shown, variants=(variant,)))

    assert "  fails          767        12  number of failures, fresh; +- 192," in told
    assert "too few" in told


def test_one_variant_alone_is_a_run_too(shown):
    told = terminal.summary(dataclasses.replace(shown, variants=shown.variants[1:]))

    assert "careless" not in told
    assert "careful   PREVENTED" not in told
    assert "careful  PREVENTED" in told


def test_hostile_text_neither_moves_the_cursor_nor_is_taken_for_markup():
    hostile = "\x1b[2J[red]<script>\u202e"
    events = [{"kind": "run", "t": 0, "scenario": hostile, "variant": "v", "load": {}, "facts": {}}]
    console = Console(width=300, file=io.StringIO(), force_terminal=True, color_system=None)

    console.print(terminal.renderable(build(events)))

    printed = console.file.getvalue()
    assert "\\u001b[2J[red]<script>\\u202e" in printed
    assert "\x1b[2J" not in printed


def test_a_proof_that_goes_red_as_predicted_is_no_alarm(shown):
    proof = dataclasses.replace(shown.variants[0], reasons=("no failure: predicted 0",))

    told = terminal.summary(dataclasses.replace(shown, variants=(proof,)))

    assert "!" not in told


def test_no_number_loses_its_unit_at_the_end_of_a_line(shown):
    named = dataclasses.replace(shown.variants[0], name="a-very-long-name-of-a-variant")

    for line in terminal.summary(dataclasses.replace(shown, variants=(named,))).splitlines():
        assert not line.lstrip().startswith("%")


def test_texts_are_wrapped_below_their_own_beginning(shown):
    variant = dataclasses.replace(shown.variants[0], reasons=("seen " * 30,), as_predicted=False)

    told = terminal.summary(dataclasses.replace(shown, variants=(variant,)))

    assert f"\n! {'seen ' * 18}seen\n  {'seen ' * 10}seen\n" in told


def build(events, *, verdict=None, damage=()) -> view.View:
    stored = StoredVariant("careless", tuple(events), verdict, damage)
    return view.build(StoredRun("r", {}, (stored,), ()))


@pytest.mark.parametrize("clock", ["honest", "fast"])
def test_the_first_line_says_stage_distribution_version_and_clock(clock):
    events = [
        {"kind": "run", "t": 0, "scenario": "rename", "variant": "v", "load": {}, "facts": {}}
    ]
    run = {"stage": "kind", "distribution": "kubeadm", "version": "v1.36.3", "clock": clock}
    stored = StoredVariant("careless", tuple(events), None, ())

    told = terminal.summary(view.build(StoredRun("r", run, (stored,), ())))

    assert told.startswith(f"rename on kind, kubeadm v1.36.3, {clock} clock  ")


def test_it_is_told_what_a_fast_clock_is(shown):
    told = terminal.summary(dataclasses.replace(shown, remark=view.FAST_REMARK))

    assert ", fast clock: timers of nodes and rollouts were shortened\n" in told


@pytest.mark.parametrize(("clock", "remark"), [("fast", view.FAST_REMARK), ("honest", "")])
def test_only_the_fast_clock_needs_a_remark(clock, remark):
    run = StoredRun(name="r", run={"clock": clock}, variants=(), damage=())

    assert view.build(run).remark == remark
