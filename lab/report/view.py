"""What is there to show of a run? Computed once; terminal and page show the same numbers.

A pure function of what is stored: no clock, no chance, everything in a fixed order, so the
page is the same file each time. All text in a view is harmless (see `clean`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.report import figures, prose, stored, telling, timeline, words
from lab.report.axis import Axis, find_axis
from lab.report.clean import clean
from lab.report.conditions import list_conditions
from lab.report.database import Database, find_database
from lab.report.figures import Figure, ReleaseRow
from lab.report.marks import Mark, find_marks
from lab.report.pods import READY, PodBand, find_pods
from lab.report.prose import Paragraph
from lab.report.story import Line, tell
from lab.report.traffic import NOBODY, Traffic, find_traffic
from lab.scenario.verdict import CheckResult, Outcome, Verdict

NO_VERDICT = "no verdict"
FAST = "fast"
FAST_REMARK = "fast clock: timers of Kubernetes were shortened"


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
    `card` are None where its verdict has none."""

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
    database: Database

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
    the numbers of this run others than those of a cluster that nobody has changed."""

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


def load(directory: Path) -> View:
    """Read a run and compute what there is to show. Raises NoSuchRun, HistoryDamaged."""
    return build(stored.load(directory))


def build(run: stored.StoredRun) -> View:
    variants = tuple(_build_variant(each) for each in run.variants)
    told = {**_facts(run), **run.run}
    return View(
        scenario=clean(told.get("scenario")) or "unnamed scenario",
        run=clean(run.name),
        title=clean(told.get("title")),
        question=clean(told.get("question")),
        guide=_guide(told),
        place=_place(told),
        remark=FAST_REMARK if told.get("clock") == FAST else "",
        lab=clean(told.get("lab")),
        outcome=_outcome(variants),
        damage=run.damage,
        variants=variants,
    )


def _facts(run: stored.StoredRun) -> dict[str, Any]:
    """Return what the first line of the first history tells of itself."""
    for variant in run.variants:
        for event in variant.events:
            if event["kind"] == "run":
                return {**event["facts"], **event}
    return {}


def _place(told: dict[str, Any]) -> str:
    distribution = f"{clean(told.get('distribution'))} {clean(told.get('version'))}".strip()
    stage = clean(told.get("stage")) or "unknown stage"
    clock = clean(told.get("clock"))
    parts = [stage, distribution, f"{clock} clock" if clock else ""]
    return ", ".join(filter(None, parts))


def _guide(told: dict[str, Any]) -> Guide:
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


def _build_variant(variant: stored.StoredVariant) -> VariantView:
    # Lines arrive late now and then, as the commit of a migration does: by time from here on.
    events = sorted(variant.events, key=lambda each: int(each["t"]))
    verdict = variant.verdict
    axis = find_axis(events)
    traffic = find_traffic(events, axis)
    database = find_database(events, axis)
    checks = tuple(_check_row(each) for each in verdict.checks) if verdict else ()
    return VariantView(
        name=clean(variant.name),
        outcome=verdict.outcome.value if verdict else NO_VERDICT,
        as_predicted=verdict.as_predicted if verdict else None,
        headline=_headline(verdict, traffic),
        reasons=tuple(map(clean, verdict.reasons)) if verdict else (),
        damage=(*variant.damage, *_what_is_cut(axis)),
        sizes=_sizes(verdict, checks),
        checks=checks,
        signature=_signature(verdict),
        figures=figures.list_figures(verdict.figures) if verdict else (),
        by_release=figures.by_release(traffic),
        ledger=telling.ledger_of(verdict),
        card=telling.card_of(verdict),
        conditions=list_conditions(events, database),
        story=tell(events, axis, traffic, database),
        timeline=timeline.find_timeline(events, axis, database),
        marks=find_marks(events, axis, database),
        axis=axis,
        traffic=traffic,
        pods=find_pods(events, axis),
        database=database,
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


def _signature(verdict: Verdict | None) -> tuple[SignatureLine, ...]:
    if verdict is None:
        return ()
    total = sum(row.count for row in verdict.signature)
    return tuple(
        SignatureLine(
            release=clean(row.release) or "nobody",
            sqlstate=clean(row.sqlstate) or words.NOTHING,
            endpoint=clean(row.endpoint),
            outcome=clean(row.outcome),
            count=row.count,
            share=words.percent(row.count / total) if total else words.NOTHING,
        )
        for row in verdict.signature
    )
