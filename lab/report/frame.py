"""What is shown of a run at one moment, as plain JSON values: the live page draws it, and the
live terminal writes it.

All text in a frame is harmless (see `clean`) and none of it is markup: whoever shows it writes it
as text.
"""

from dataclasses import asdict
from typing import Any

from lab.report import series, words
from lab.report.figures import Figure
from lab.report.glance import HURT, PLAIN, Tile, glance
from lab.report.plan import PlannedStep
from lab.report.prose import Paragraph
from lab.report.telling import plain
from lab.report.view import SignatureLine, VariantView, View

# The newest; whoever wants all of them opens the report.
MOST_ROWS = 40

Frame = dict[str, Any]


def frame(view: View, *, active: str = "") -> Frame:
    """Return what is to be shown; `active` is the variant that is being played."""
    return {
        "run": _run(view),
        "active": active,
        "told": series.to_json(view) if view.variants else None,
        "variants": [_variant(each) for each in view.variants],
    }


def _run(view: View) -> dict[str, Any]:
    return {
        "scenario": view.scenario,
        "run": view.run,
        "title": view.title or view.scenario,
        "question": view.question,
        "place": view.place,
        "remark": view.remark,
        "damage": list(view.damage),
        "page": _texts(view.guide.page),
        "lesson": _texts(view.guide.lesson),
    }


def _texts(paragraphs: tuple[Paragraph, ...]) -> list[str]:
    return [plain(each) for each in paragraphs]


def _variant(variant: VariantView) -> dict[str, Any]:
    return {
        "name": variant.name,
        "phase": variant.phase,
        "second": variant.axis.last - 1,
        "headline": variant.headline,
        "outcome": variant.outcome,
        "as_predicted": variant.as_predicted,
        "is_believable": variant.is_believable,
        "reasons": list(variant.reasons),
        "damage": [each for each in variant.damage if not _is_to_come(each)],
        "tiles": [asdict(each) for each in _tiles(variant)],
        "plan": [_step(each) for each in variant.plan],
        "ways": [_way(each) for each in variant.signature or variant.ways],
        "claims": list(variant.claims),
        "checks": [
            [each.name, each.predicted, each.measured, each.mark] for each in variant.checks
        ],
        "rows": [[row.when, row.kind, row.what, row.detail] for row in variant.timeline][
            -MOST_ROWS:
        ],
        "blockers": list(variant.database.blockers),
        "woken": variant.ledger.woken if variant.ledger else "",
    }


def _tiles(variant: VariantView) -> tuple[Tile, ...]:
    """Return the newest second while a run goes on, and what came of it all afterwards."""
    if not variant.figures:
        return glance(variant)
    figures = {each.label: each for each in variant.figures}
    return tuple(_afterwards(figures[label]) for label in _AFTERWARDS if label in figures)


def _afterwards(figure: Figure) -> Tile:
    tone = HURT if figure.label in _HURTS and figure.value != "0" else PLAIN
    return Tile(figure.label, figure.value, figure.remark or figure.interval, tone)


_HURTS = ("failed requests", "lost writes")
_AFTERWARDS = (
    "requests judged",
    "failed requests",
    "silent seconds",
    "recovery",
    "blast radius, sessions",
    "lost writes",
)
"""Labels of `lab.report.figures`."""


def _is_to_come(damage: str) -> bool:
    """A verdict that is not there yet is no damage while a run goes on."""
    return damage == "verdict.json is missing"


def _step(step: PlannedStep) -> dict[str, str]:
    at = "" if step.second is None else words.moment(step.second)
    told = {"name": step.name, "when": step.when, "does": step.does}
    return {**told, "state": step.state.value, "at": at}


def _way(line: SignatureLine) -> list[str]:
    return [line.release, line.sqlstate, line.endpoint, line.outcome, line.count_text, line.share]
