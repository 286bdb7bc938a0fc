"""Which numbers stand on the first page, and how sure is each?"""

from collections.abc import Iterator
from dataclasses import dataclass

from lab.report import words
from lab.report.clean import clean
from lab.report.traffic import NOBODY, Traffic
from lab.scenario.stats import wilson
from lab.scenario.verdict import Figures


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in words, and a remark that makes it readable alone."""

    label: str
    value: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """What the requests came to that one release answered; "nobody" where no answer came."""

    release: str
    requests: int
    failures: int
    share: str
    interval: str


def share_with_interval(hits: int, total: int) -> str:
    """17.1 % (95 % interval 16.1 % to 18.1 %); for none the upper end alone."""
    if not total:
        return words.NOTHING
    return f"{words.percent(hits / total)}, {interval(hits, total)}"


def interval(hits: int, total: int) -> str:
    if not total:
        return words.NOTHING
    low, high = wilson(hits, total)
    if not hits:
        return f"at most {words.percent(high)} with 95 % confidence"
    return f"95 % interval {words.percent(low)} to {words.percent(high)}"


def list_figures(figures: Figures) -> tuple[Figure, ...]:
    return (
        Figure("requests judged", words.number(figures.requests)),
        Figure(
            "failed requests",
            words.number(figures.failures),
            share_with_interval(figures.failures, figures.requests),
        ),
        *_blast_radius(figures),
        _silence(figures),
        *_durations(figures),
        *_writes(figures),
        Figure("wall time", words.seconds(figures.wall_s)),
        Figure("resolution", words.seconds(figures.resolution_s), "between two requests"),
    )


def _blast_radius(figures: Figures) -> Iterator[Figure]:
    between = "between first and last failure"
    yield Figure("blast radius, requests", words.percent(figures.blast_requests), between)
    yield Figure("blast radius, sessions", words.percent(figures.blast_sessions), between)
    yield Figure("blast radius, endpoints", words.percent(figures.blast_endpoints), "failed at all")


def _silence(figures: Figures) -> Figure:
    if figures.silent_s is not None:
        signal = clean(figures.signal)
        remark = "first user error to first signal" + (f": {signal}" if signal else "")
        return Figure("silent seconds", words.seconds(figures.silent_s), remark)
    if figures.failures:
        return Figure("silent seconds", "∞", "users failed and no signal reached an operator")
    return Figure("silent seconds", words.NOTHING, "no user error")


def _durations(figures: Figures) -> Iterator[Figure]:
    unended = "it did not end" if figures.failures else "no user error"
    recovery = "first to last user error" if figures.recovery_s is not None else unended
    yield Figure("recovery", words.seconds(figures.recovery_s), recovery)
    if figures.overhang_s is not None:
        yield Figure("overhang", words.seconds(figures.overhang_s), "cause gone to last user error")


def _writes(figures: Figures) -> Iterator[Figure]:
    for label, count, remark in (
        ("lost writes", figures.lost_writes, "acknowledged and not there afterwards"),
        ("ambiguous writes", figures.ambiguous_writes, "not acknowledged and there"),
        ("duplicated writes", figures.duplicated_writes, "there more than once"),
    ):
        if count is None:
            yield Figure(label, words.NOTHING, "not audited")
        else:
            yield Figure(label, words.number(count), remark)


def by_release(traffic: Traffic) -> tuple[ReleaseRow, ...]:
    """Count the whole history by the release that answered."""
    releases = sorted({band.release for band in traffic.bands})
    return tuple(_release_row(release, traffic) for release in releases)


def _release_row(release: str, traffic: Traffic) -> ReleaseRow:
    bands = [band for band in traffic.bands if band.release == release]
    requests = sum(band.total for band in bands)
    failures = sum(band.total for band in bands if band.failed)
    return ReleaseRow(
        release="nobody" if release == NOBODY else release,
        requests=requests,
        failures=failures,
        share=words.percent(failures / requests) if requests else words.NOTHING,
        interval=interval(failures, requests),
    )


def count_text(traffic: Traffic) -> str:
    """1 027 of 5 400 requests failed: for a run that has no verdict."""
    total = words.times(traffic.requests, "request")
    return f"{words.number(traffic.failures)} of {total} failed"
