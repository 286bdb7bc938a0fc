"""Who would have been told what, and what is owed to them: the signal ledger and the 3am card.

Both are part of a verdict; one that was stored before there were any has none, and then nothing
is shown.
"""

from dataclasses import dataclass

from lab.report import prose, words
from lab.report.clean import clean
from lab.report.prose import Paragraph
from lab.scenario.card import Filled
from lab.scenario.ledger import Ledger, Row, Wakes
from lab.scenario.verdict import Verdict

MOST_ROWS = 30
"""Of very many signals those that wake somebody are there, and of the others the earliest."""

UNKNOWN_HOW = "inferred from the answers"
"""Of runs that were stored before stages listened to pods."""


@dataclass(frozen=True, slots=True)
class LedgerLine:
    when: str
    source: str
    what: str
    count: str
    lasts: str
    wakes: str
    is_loud: bool


@dataclass(frozen=True, slots=True)
class LedgerView:
    """`since` is what times are reckoned from, `woken` a sentence; `left_out` signals are more
    than there is room for."""

    since: str
    woken: str
    is_woken: bool
    lines: tuple[LedgerLine, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class ToldLine:
    """`mark` says in words whether this way of telling told who fails and why."""

    way: str
    mark: str
    says: str


@dataclass(frozen=True, slots=True)
class CardView:
    """`told` is judged, `heard` says from what; all else is what the scenario says, and empty
    where it says nothing."""

    told: tuple[ToldLine, ...]
    heard: str
    way_back: str
    rehearsal: tuple[Paragraph, ...]
    together: tuple[Paragraph, ...]
    owed: tuple[Paragraph, ...]
    decides: str


def ledger_of(verdict: Verdict | None) -> LedgerView | None:
    if verdict is None or verdict.ledger is None:
        return None
    ledger = verdict.ledger
    loudest = sorted(ledger.rows, key=lambda row: row.wakes is Wakes.NOBODY)[:MOST_ROWS]
    return LedgerView(
        since=clean(ledger.since),
        woken=_woken(ledger),
        is_woken=ledger.woken_s is not None,
        lines=tuple(_line(row) for row in ledger.rows if row in loudest),
        left_out=len(ledger.rows) - len(loudest),
    )


def _woken(ledger: Ledger) -> str:
    if ledger.woken_s is None:
        return "nobody was woken"
    return f"somebody was woken at {words.moment(ledger.woken_s)}"


def _line(row: Row) -> LedgerLine:
    return LedgerLine(
        when=words.moment(row.first_s),
        source=clean(row.source),
        what=clean(row.what),
        count=words.number(row.count),
        lasts="to the end" if row.lasts_s is None else words.seconds(row.lasts_s),
        wakes=row.wakes.value,
        is_loud=row.wakes is not Wakes.NOBODY,
    )


def card_of(verdict: Verdict | None) -> CardView | None:
    if verdict is None or verdict.card is None:
        return None
    filled = verdict.card
    card = filled.card
    return CardView(
        told=tuple(ToldLine(clean(t.way), _mark(t.ok), clean(t.says)) for t in filled.told),
        heard=clean(filled.heard or UNKNOWN_HOW),
        way_back=_way_back(filled),
        rehearsal=prose.items([f"{card.level.value}: {card.rehearsal}"]) if card else (),
        together=prose.items(card.together) if card else (),
        owed=prose.items(card.owed) if card else (),
        decides=clean(card.decides) if card else "",
    )


def _mark(ok: bool | None) -> str:
    return {True: "told", False: "did not tell", None: "nothing to tell"}[ok]


def _way_back(filled: Filled) -> str:
    if not filled.steps:
        return "nothing was changed"
    if filled.returns >= filled.steps:
        many = f"each of {filled.steps} changes" if filled.steps > 1 else "the one change"
        return f"{many} can be taken back alone"
    return f"no way back from change {filled.returns + 1} of {filled.steps} on"


def plain(paragraph: Paragraph) -> str:
    """Return a paragraph as text for a terminal."""
    return "".join(piece.text for piece in paragraph)
