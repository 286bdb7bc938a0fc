"""The ledger and the card as a reader sees them."""

from dataclasses import replace

import pytest

from lab.report import page, terminal, view
from lab.report.stored import StoredRun, StoredVariant
from lab.report.telling import MOST_ROWS
from lab.report.view import View
from lab.scenario.card import Card, Filled, Level, Told
from lab.scenario.ledger import Ledger, Row, Wakes
from lab.scenario.verdict import Verdict
from tests.report import judged, synthetic
from tests.report.synthetic import CARELESS

CARD = Card(
    level=Level.TWIN,
    rehearsal="run `v1` on the new schema",
    together=("schema and code",),
    owed=("errors by release",),
    decides="whoever deploys",
)
FILLED = Filled(
    told=(
        Told("log line", True, "status=500 of v1"),
        Told("metric", None, "nothing"),
        Told("exit code", False, "exit 0 over failures"),
    ),
    card=CARD,
    steps=3,
    returns=1,
)
LEDGER = Ledger(
    "first user error",
    (
        Row("answer", "v1 500 42703", 0.0, 840, 0.0, Wakes.NOBODY),
        Row("condition", "Available is False", 2.5, 1, None, Wakes.LATER),
        Row("command", "deploy of v2 exits 1", 60.0, 1, 0.0, Wakes.AT_ONCE),
    ),
    60.0,
)


def shown(**changes: object) -> View:
    events = synthetic.history(CARELESS).events
    verdict = replace(judged.verdict(CARELESS, events), **changes)
    return build(verdict)


def build(verdict: Verdict) -> View:
    events = tuple(synthetic.history(CARELESS).events)
    variant = StoredVariant(verdict.variant, events, verdict, ())
    return view.build(StoredRun("20261125T013000Z", judged.RUN, (variant,), ()))


def text_of(**changes: object) -> str:
    return terminal.summary(shown(**changes))


def test_the_terminal_says_who_was_woken_and_by_what():
    text = text_of(ledger=LEDGER, card=None)

    assert "signals from the first user error; somebody was woken at +60.0 s" in text
    assert "+60.0 s  wakes at once" in text
    assert "+2.50 s  wakes after 15 min" in text


def test_they_fit_a_hundred_columns():
    lines = text_of(ledger=replace(LEDGER, since="beginning of the change"), card=FILLED)

    assert max(map(len, lines.splitlines())) <= 100


def test_a_night_in_which_nobody_was_woken_says_so():
    assert "nobody was woken" in text_of(ledger=replace(LEDGER, woken_s=None))


def quiet(many: int) -> tuple[Row, ...]:
    return tuple(Row("event", f"event {n}", n - 99.0, 1, 0.0, Wakes.NOBODY) for n in range(many))


def test_all_signals_are_shown_with_where_they_come_from_and_how_long_they_lasted():
    text = text_of(ledger=replace(LEDGER, rows=(*quiet(8), *LEDGER.rows)))

    assert all(f"event      event {n} (1 x)" in text for n in range(8))
    assert "condition  Available is False (1 x, lasts to the end)" in text
    assert "other signal" not in text


def test_of_very_many_signals_the_loud_ones_stay():
    ledger = replace(LEDGER, rows=(*quiet(MOST_ROWS), *LEDGER.rows))

    for text in (text_of(ledger=ledger), page.render(shown(ledger=ledger))):
        assert "deploy of v2 exits 1" in text
        assert "v1 500 42703 (840 x)" not in text
    assert "and 3 other signals" in text_of(ledger=ledger)
    assert "And 3 more that wake nobody" in page.render(shown(ledger=ledger))


def test_it_says_from_what_log_and_metric_were_judged():
    heard = replace(FILLED, heard="as pods told them")

    assert "log and metric: as pods told them" in text_of(card=heard)
    assert "Log and metric: as pods told them." in page.render(shown(card=heard))
    assert "log and metric: inferred from the answers" in text_of(card=FILLED)


def test_the_terminal_shows_what_was_told_and_what_is_safe_and_what_is_not():
    text = text_of(card=FILLED)

    assert "\n  amplify    errors by release" in text
    assert "\n  page       " in text
    assert "\n  safe       " in text
    assert "\n  unsafe     " in text


def test_the_terminal_shows_what_told_and_what_is_owed():
    text = text_of(card=FILLED)

    assert "log line   told             status=500 of v1" in text
    assert "exit code  did not tell" in text
    assert "metric     nothing to tell" in text
    assert "no way back from change 2 of 3 on" in text
    assert "processes on one machine: run v1 on the new schema" in text
    assert "errors by release" in text


@pytest.mark.parametrize(
    ("steps", "returns", "says"),
    [
        (0, 0, "nothing was changed"),
        (1, 1, "the one change can be taken back alone"),
        (2, 2, "each of 2 changes can be taken back alone"),
        (2, 0, "no way back from change 1 of 2 on"),
    ],
)
def test_the_way_back_is_told_in_a_sentence(steps, returns, says):
    assert says in text_of(card=replace(FILLED, steps=steps, returns=returns))


def test_a_run_of_before_shows_neither():
    text = text_of(ledger=None, card=None)
    html = page.render(shown(ledger=None, card=None))

    assert "3am card" not in text
    assert 'id="card"' not in html
    assert 'id="signals"' not in html


def test_a_card_of_a_scenario_that_says_nothing_shows_what_was_judged():
    html = page.render(shown(card=replace(FILLED, card=None)))

    assert "exit 0 over failures" in html
    assert "Slowify" not in html


def test_the_page_shows_ledger_and_card():
    html = page.render(shown(ledger=LEDGER, card=FILLED))

    for each in ("deploy of v2 exits 1", "did not tell", "Slowify", "<code>v1</code>", "whoever"):
        assert each in html


def test_hostile_text_in_them_stays_text():
    evil = "<script>x</script>\x1b[2J"
    filled = replace(FILLED, told=(Told("log line", True, evil),))
    rows = (replace(LEDGER.rows[0], what=evil),)

    html = page.render(shown(card=filled, ledger=replace(LEDGER, rows=rows)))
    text = text_of(card=filled, ledger=replace(LEDGER, rows=rows))

    assert "<script>x" not in html
    assert "\x1b" not in text
