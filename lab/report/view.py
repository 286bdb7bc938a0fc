"""What is there to show of a run? Computed once; terminal and page show the same numbers.

A pure function of what is stored: no clock, no chance, everything in a fixed order, so the
page is the same file each time. All text in a view is harmless (see `clean`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.report import figures, guesses, prose, stored, telling, timeline, words
from lab.report.axis import Axis
from lab.report.clean import clean
from lab.report.conditions import list_conditions
from lab.report.database import Database, find_database
from lab.report.figures import Figure, ReleaseRow
from lab.report.lanes import Lane, find_lanes
from lab.report.marks import Mark, find_marks
from lab.report.picture import Picture
from lab.report.plan import PlannedStep, find_claims, find_forecast, find_plan
from lab.report.pods import READY, PodBand, find_pods
from lab.report.prose import Paragraph
from lab.report.requests import NOBODY
from lab.report.story import Line, tell
from lab.report.traffic import Traffic, find_traffic
from lab.scenario.events import Event
from lab.scenario.forecast import Forecast
from lab.scenario.verdict import CheckResult, Outcome, SignatureRow, Verdict

NO_VERDICT = "no verdict"
FAST = "fast"
_MOST_WAYS = 8
FAST_REMARK = "fast clock: timers of nodes and rollouts were shortened"


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A prediction beside its measurement, in words; `ok` None: the history does not tell."""

    name: str
    ok: bool | None
    claim: str
    predicted: str
    measured: str
    tolerance: str
    formula: str
    detail: str

    @property
    def mark(self) -> str:
        return {True: "holds", False: "fails", None: "unknown"}[self.ok]


@dataclass(frozen=True, slots=True)
class SignatureLine:
    release: str
    sqlstate: str
    endpoint: str
    outcome: str
    count: int
    share: str

    @property
    def count_text(self) -> str:
        return words.number(self.count)


@dataclass(frozen=True, slots=True)
class Guide:
    """What the scenario says to its reader; each may be empty."""

    page: tuple[Paragraph, ...]
    lesson: tuple[Paragraph, ...]
    safe: tuple[Paragraph, ...]
    unsafe: tuple[Paragraph, ...]
    evidence: tuple[Paragraph, ...]


@dataclass(frozen=True, slots=True)
class VariantView:
    """One variant. `damage` says what is missing from its history; `sizes` are the checks that
    predict how much breaks, the first two that count something: they stand largest. `ledger` and
    `card` are None where its verdict has none. `signature` counts what is judged, `ways` how
    requests failed in the whole history, which is there before a verdict is."""

    name: str
    outcome: str
    as_predicted: bool | None
    headline: str
    reasons: tuple[str, ...]
    damage: tuple[str, ...]
    sizes: tuple[CheckRow, ...]
    checks: tuple[CheckRow, ...]
    signature: tuple[SignatureLine, ...]
    figures: tuple[Figure, ...]
    by_release: tuple[ReleaseRow, ...]
    ledger: telling.LedgerView | None
    card: telling.CardView | None
    conditions: tuple[Figure, ...]
    story: tuple[Line, ...]
    timeline: tuple[timeline.Row, ...]
    marks: tuple[Mark, ...]
    axis: Axis
    traffic: Traffic
    pods: tuple[PodBand, ...]
    lanes: tuple[Lane, ...]
    database: Database
    ways: tuple[SignatureLine, ...]
    phase: str
    plan: tuple[PlannedStep, ...]
    claims: tuple[str, ...]
    forecast: Forecast | None

    @property
    def answers(self) -> dict[str, Any]:
        """What the run answers to the questions that a room is asked."""
        return guesses.measured(self.traffic, self.ledger)

    @property
    def releases(self) -> tuple[str, ...]:
        """All releases: those that served at second 0 first, so that old looks old everywhere."""
        origin = -self.axis.first
        at_origin = {b.release for b in self.pods if b.state == READY and any(b.counts[:origin])}
        seen = {b.release for b in self.pods} | {b.release for b in self.traffic.bands}
        return tuple(sorted(seen - {NOBODY}, key=lambda name: (name not in at_origin, name)))

    def look(self, release: str) -> int:
        """Return which of the four colours and dashes `release` has."""
        return self.releases.index(release) % 4 if release in self.releases else 0

    @property
    def is_believable(self) -> bool:
        return self.outcome not in (Outcome.INVALID, NO_VERDICT)


@dataclass(frozen=True, slots=True)
class View:
    """One run. `place` tells stage, distribution and clock in one line; `remark` what of it makes
    the numbers of this run others than those of a cluster that nobody has changed. `guesses` are
    tables of what a room said, by variant."""

    scenario: str
    run: str
    title: str
    question: str
    guide: Guide
    place: str
    remark: str
    lab: str
    outcome: str
    damage: tuple[str, ...]
    variants: tuple[VariantView, ...]
    guesses: Mapping[str, list[list[str]]]


def load(directory: Path) -> View:
    """Read a run and compute what there is to show. Raises NoSuchRun, HistoryDamaged."""
    return build(stored.load(directory))


def build(run: stored.StoredRun) -> View:
    variants = tuple(
        build_variant(each.name, Picture(each.events), each.verdict, each.damage)
        for each in run.variants
    )
    begun = next((told for each in run.variants if (told := begun_as(each.events))), {})
    return assemble(run.name, {**begun, **run.run}, variants, run.damage, run.guesses)


def assemble(
    name: str,
    told: Mapping[str, Any],
    variants: tuple[VariantView, ...],
    damage: tuple[str, ...] = (),
    said: Mapping[str, Any] | None = None,
) -> View:
    """Return the view of a run from its variants and from what run.json tells."""
    return View(
        scenario=clean(told.get("scenario")) or "unnamed scenario",
        run=clean(name),
        title=clean(told.get("title")),
        question=clean(told.get("question")),
        guide=_guide(told),
        place=_place(told),
        remark=FAST_REMARK if told.get("clock") == FAST else "",
        lab=clean(told.get("lab")),
        outcome=_outcome(variants),
        damage=damage,
        variants=variants,
        guesses={
            each.name: table
            for each in variants
            if (table := guesses.compared((said or {}).get(each.name), each.answers))
        },
    )


def begun_as(events: Iterable[Event]) -> dict[str, Any]:
    """Return what the first line of a history tells of itself."""
    run = next((each for each in events if each["kind"] == "run"), None)
    return {**run["facts"], **run} if run else {}


def _place(told: Mapping[str, Any]) -> str:
    distribution = f"{clean(told.get('distribution'))} {clean(told.get('version'))}".strip()
    stage = clean(told.get("stage")) or "unknown stage"
    clock = clean(told.get("clock"))
    parts = [stage, distribution, f"{clock} clock" if clock else ""]
    return ", ".join(filter(None, parts))


def _guide(told: Mapping[str, Any]) -> Guide:
    return Guide(
        page=prose.paragraphs(told.get("page")),
        lesson=prose.paragraphs(told.get("lesson")),
        safe=prose.items(told.get("safe")),
        unsafe=prose.items(told.get("unsafe")),
        evidence=prose.items(told.get("evidence")),
    )


def _outcome(variants: tuple[VariantView, ...]) -> str:
    if not all(each.is_believable for each in variants):
        return "this run proves nothing"
    return "as predicted" if all(each.as_predicted for each in variants) else "not as predicted"


def build_variant(
    name: str,
    picture: Picture,
    verdict: Verdict | None,
    damage: tuple[str, ...] = (),
    *,
    so_far: bool = False,
) -> VariantView:
    """Return what there is to show of a variant; `so_far`: of one that may still go on."""
    events, requests = picture.events, picture.requests
    axis = picture.axis_so_far if so_far else picture.axis
    traffic = find_traffic(requests, axis)
    database = find_database(events, axis)
    checks = tuple(_check_row(each) for each in verdict.checks) if verdict else ()
    return VariantView(
        name=clean(name),
        outcome=verdict.outcome.value if verdict else NO_VERDICT,
        as_predicted=verdict.as_predicted if verdict else None,
        headline=_headline(verdict, traffic),
        reasons=tuple(map(clean, verdict.reasons)) if verdict else (),
        damage=(*damage, *_what_is_cut(axis)),
        sizes=_sizes(verdict, checks),
        checks=checks,
        signature=_signature(verdict.signature) if verdict else (),
        figures=figures.list_figures(verdict.figures) if verdict else (),
        by_release=figures.by_release(traffic),
        ledger=telling.ledger_of(verdict),
        card=telling.card_of(verdict),
        conditions=list_conditions(events, database),
        story=tell(events, axis, traffic, database, requests),
        timeline=timeline.find_timeline(events, axis, database, requests),
        marks=find_marks(events, axis, database),
        axis=axis,
        traffic=traffic,
        pods=find_pods(events, axis),
        lanes=find_lanes(events, axis),
        database=database,
        ways=_signature(SignatureRow(*way, n) for way, n in requests.ways.most_common(_MOST_WAYS)),
        phase=picture.phase,
        plan=find_plan(events, axis),
        claims=find_claims(events),
        forecast=find_forecast(events),
    )


def _headline(verdict: Verdict | None, traffic: Traffic) -> str:
    if verdict is None:
        return figures.count_text(traffic)
    found = verdict.figures
    total = words.times(found.requests, "request")
    share = figures.share_with_interval(found.failures, found.requests)
    return f"{words.number(found.failures)} of {total} failed, {share}"


def _what_is_cut(axis: Axis) -> tuple[str, ...]:
    return ("the history spans more than can be shown; the charts are cut",) if axis.is_cut else ()


def _check_row(check: CheckResult) -> CheckRow:
    return CheckRow(
        name=clean(check.name),
        ok=check.ok,
        claim=clean(check.claim),
        predicted=words.anything(check.predicted),
        measured=words.anything(check.measured),
        tolerance=clean(check.tolerance),
        formula=clean(check.formula),
        detail=clean(check.detail),
    )


def _sizes(verdict: Verdict | None, rows: tuple[CheckRow, ...]) -> tuple[CheckRow, ...]:
    """Return what predicts a number of things: shares and delays are measured in fractions."""
    checks = verdict.checks if verdict else ()
    counted = (
        row
        for check, row in zip(checks, rows, strict=True)
        if isinstance(check.predicted, int | float) and type(check.measured) is int
    )
    return tuple(counted)[:2]


def _signature(counted: Iterable[SignatureRow]) -> tuple[SignatureLine, ...]:
    rows = tuple(counted)
    total = sum(row.count for row in rows)
    return tuple(
        SignatureLine(
            release=clean(row.release) or "nobody",
            sqlstate=clean(row.sqlstate) or words.NOTHING,
            endpoint=clean(row.endpoint),
            outcome=clean(row.outcome),
            count=row.count,
            share=words.percent(row.count / total) if total else words.NOTHING,
        )
        for row in rows
    )
