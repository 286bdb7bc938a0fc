"""The summary of a run for a terminal: readable at 3am, without colour, in 100 columns."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.report import words
from lab.report.telling import CardView, LedgerLine, LedgerView, plain
from lab.report.view import CheckRow, VariantView, View
from lab.scenario.verdict import Outcome

if TYPE_CHECKING:
    from rich.text import Text

WIDTH = 100
_INDENT = "  "
_TOP_SIGNATURES = 3
_LEAST_REMARK = 45


@dataclass(frozen=True, slots=True)
class _Line:
    """Text, and the colour that a terminal may add; nothing is told by colour alone."""

    text: str
    style: str = ""


def summary(view: View, *, page: str = "") -> str:
    """Return the summary as plain text; `page` is where the HTML report lies."""
    return "\n".join(line.text.rstrip() for line in _lines(view, page))


def renderable(view: View, *, page: str = "") -> "Text":
    """Return the same text with colours, for rich."""
    from rich.text import Text

    text = Text()
    for place, line in enumerate(_lines(view, page)):
        text.append("\n" if place else "")
        text.append(line.text.rstrip(), style=line.style)
    return text


def _lines(view: View, page: str) -> Iterator[_Line]:
    yield from _head(view)
    for variant in view.variants:
        yield from _variant(variant)
    yield from _figures(view.variants)
    yield from _owed(view)
    if page:
        yield _Line("")
        yield _Line(f"report: {page}")


def _head(view: View) -> Iterator[_Line]:
    # What a number means depends on where it was measured, so that comes first of all.
    left, right = f"{view.scenario} on {view.place}", view.outcome.upper()
    yield _Line(f"{left}{right:>{max(WIDTH - len(left), len(right) + 1)}}", "bold")
    if view.title:
        yield from _wrapped(view.title)
    yield _Line(", ".join(filter(None, (f"run {view.run}", view.remark))), "dim")
    yield from (_Line(f"! {each}", "yellow") for each in view.damage)
    yield _Line("")
    width = max(len(each.name) for each in view.variants)
    outcome_width = max(len(each.outcome) for each in view.variants)
    for each in view.variants:
        verdict = f"{each.name:<{width}}  {each.outcome.upper():<{outcome_width}}  "
        yield from _wrapped(each.headline, start=verdict, style=_style(each))


def _style(variant: VariantView) -> str:
    if not variant.is_believable:
        return "bold yellow"
    return "bold green" if variant.as_predicted else "bold red"


def _variant(variant: VariantView) -> Iterator[_Line]:
    yield _Line("")
    yield _Line(f"{variant.name}: what happened", "bold")
    if variant.outcome == Outcome.INVALID:
        yield from _wrapped(
            "This run proves nothing, whatever the numbers look like:", "! ", "yellow"
        )
    # Why a proof went red as predicted stands beside its predictions.
    for each in () if variant.as_predicted else variant.reasons:
        yield from _wrapped(each, "! ", "yellow")
    for each in variant.damage:
        yield from _wrapped(each, "! ", "yellow")
    for line in variant.story:
        yield from _wrapped(line.text, f"{line.when:>9}  ")
    if variant.checks:
        yield _Line("")
        yield from _checks(variant)
    if variant.signature:
        yield _Line("")
        yield from _signature(variant)
    if variant.ledger and variant.ledger.lines:
        yield _Line("")
        yield from _ledger(variant.name, variant.ledger)
    if variant.card:
        yield _Line("")
        yield from _card(variant.name, variant.card)


def _ledger(name: str, ledger: LedgerView) -> Iterator[_Line]:
    yield from _wrapped(f"signals from the {ledger.since}; {ledger.woken}", f"{name}: ", "bold")
    wakes = max(len(each.wakes) for each in ledger.lines)
    source = max(len(each.source) for each in ledger.lines)
    for each in ledger.lines:
        start = f"{each.when:>9}  wakes {each.wakes:<{wakes}}  {each.source:<{source}}  "
        yield from _wrapped(f"{each.what} ({each.count} x{_lasting(each)})", start)
    if ledger.left_out:
        yield _Line(f"{'':>9}  and {words.times(ledger.left_out, 'other signal')}", "dim")


def _lasting(line: LedgerLine) -> str:
    """Say how long a signal told; what is over at once needs no word."""
    return "" if line.lasts == words.seconds(0) else f", lasts {line.lasts}"


def _card(name: str, card: CardView) -> Iterator[_Line]:
    yield _Line(f"{name}: 3am card", "bold")
    for each in card.told:
        yield from _wrapped(each.says, f"{_INDENT}{each.way:<9}  {each.mark:<15}  ")
    yield from _wrapped(card.way_back, f"{_INDENT}{'undo':<9}  ")
    yield from _wrapped(f"log and metric: {card.heard}", _INDENT, "dim")


def _owed(view: View) -> Iterator[_Line]:
    """Show what the scenario says of itself: the same in each of its variants."""
    card = next((each.card for each in view.variants if each.card and each.card.owed), None)
    if card is None:
        return
    yield _Line("")
    yield _Line("what is owed to whoever is called", "bold")
    for label, listed in (
        ("page", view.guide.page),
        ("slowify", card.rehearsal),
        ("simplify", card.together),
        ("amplify", card.owed),
        ("safe", view.guide.safe),
        ("unsafe", view.guide.unsafe),
    ):
        for text in listed:
            yield from _wrapped(plain(text), f"{_INDENT}{label:<9}  ")
    if card.decides:
        yield from _wrapped(card.decides, f"{_INDENT}{'decides':<9}  ")


def _checks(variant: VariantView) -> Iterator[_Line]:
    judged = "" if variant.is_believable else " (not judged)"
    yield _Line(f"{variant.name}: predicted against measured{judged}", "bold")
    left = _width("predicted", [each.predicted for each in variant.checks])
    right = _width("measured", [each.measured for each in variant.checks])
    yield _Line(f"{_INDENT}{'':<7}  {'predicted':>{left}}  {'measured':>{right}}", "dim")
    for each in variant.checks:
        numbers = f"{each.predicted[:left]:>{left}}  {each.measured[:right]:>{right}}"
        yield from _wrapped(
            _claim(each), f"{_INDENT}{each.mark:<7}  {numbers}  ", "" if each.ok else "red"
        )


def _claim(check: CheckRow) -> str:
    """Say what was predicted; of what does not hold also the details."""
    if check.ok:
        return check.name
    return "; ".join(filter(None, (check.name, check.tolerance, check.detail)))


def _width(title: str, cells: Sequence[str], most: int = 20) -> int:
    return min(max(len(title), *map(len, cells)), most)


def _signature(variant: VariantView) -> Iterator[_Line]:
    yield _Line(f"{variant.name}: how requests failed", "bold")
    for each in variant.signature[:_TOP_SIGNATURES]:
        told = f"{each.release}  {each.sqlstate}  {each.endpoint}  {each.outcome}"
        yield from _wrapped(told, f"{_INDENT}{words.number(each.count):>7}  {each.share:>6}  ")
    more = len(variant.signature) - _TOP_SIGNATURES
    if more > 0:
        yield _Line(f"{_INDENT}{'':>7}  and {words.times(more, 'other way', 'other ways')}", "dim")


def _figures(variants: Sequence[VariantView]) -> Iterator[_Line]:
    """Put the same figure of all variants into one row."""
    judged = [each for each in variants if each.figures]
    if not judged:
        return
    label_width = max(len(each.label) for each in judged[0].figures)
    widths = [
        max(len(variant.name), *(len(each.value) for each in variant.figures)) for variant in judged
    ]
    yield _Line("")
    names = "  ".join(f"{v.name:>{w}}" for v, w in zip(judged, widths, strict=True))
    yield _Line(f"{'figures':<{label_width}}  {names}", "bold")
    for label in dict.fromkeys(each.label for variant in judged for each in variant.figures):
        found = [
            next((each for each in variant.figures if each.label == label), None)
            for variant in judged
        ]
        values = [each.value if each else words.NOTHING for each in found]
        cells = "  ".join(f"{v:>{w}}" for v, w in zip(values, widths, strict=True))
        remark = next((each.remark for each in found if each and each.remark), "")
        start = f"{label:<{label_width}}  {cells}  "
        yield from _wrapped(remark if WIDTH - len(start) >= _LEAST_REMARK else "", start)


def _wrapped(text: str, start: str = "", style: str = "") -> Iterator[_Line]:
    """Break `text` so that it stays below its own beginning, and no number loses its unit."""
    width = max(WIDTH - len(start), 20)
    parts = textwrap.wrap(text.replace(" %", "\N{NO-BREAK SPACE}%"), width) or [""]
    parts = [part.replace("\N{NO-BREAK SPACE}%", " %") for part in parts]
    yield _Line(start + parts[0], style)
    yield from (_Line(" " * len(start) + part, style) for part in parts[1:])
