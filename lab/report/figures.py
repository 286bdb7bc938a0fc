"""Which numbers stand on the first page, and how sure is each?"""

from collections.abc import Iterator
from dataclasses import dataclass

from lab.report import words
from lab.report.clean import clean
from lab.report.requests import NOBODY
from lab.report.traffic import Traffic
from lab.scenario.stats import rule_of_three, wilson
from lab.scenario.verdict import Figures


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in words, a remark that makes it readable alone, and how sure it is."""

    label: str
    value: str
    remark: str = ""
    interval: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """What the requests came to that one release answered; "nobody" where no answer came."""

    release: str
    requests: int
    failures: int
    share: str
    interval: str

    @property
    def requests_text(self) -> str:
        return words.number(self.requests)

    @property
    def failures_text(self) -> str:
        return words.number(self.failures)


def share_with_interval(hits: int, total: int) -> str:
    """17.1 % (95 %: 16.1 to 18.1 %)."""
    if not total:
        return words.NOTHING
    return f"{words.percent(hits / total)} ({interval(hits, total)})"


def interval(hits: int, total: int) -> str:
    """How sure it is: both ends of the 95 % interval, of nothing the upper end alone."""
    if not total:
        return words.NOTHING
    if not hits:
        # As the checks say it: two limits for the same nothing would only raise questions.
        return f"95 %: at most {words.percent(rule_of_three(total))}"
    low, high = wilson(hits, total)
    return f"95 %: {words.percent(low).removesuffix(' %')} to {words.percent(high)}"


def list_figures(figures: Figures) -> tuple[Figure, ...]:
    return (
        Figure("requests judged", words.number(figures.requests), "due while it counted"),
        Figure(
            "failed requests",
            words.number(figures.failures),
            interval=share_with_interval(figures.failures, figures.requests),
        ),
        *_blast_radius(figures),
        _silence(figures),
        *_durations(figures),
        *_writes(figures),
        Figure("wall time", words.seconds(figures.wall_s)),
        Figure(
            "resolution", words.milliseconds(figures.resolution_s * 1000), "between two requests"
        ),
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
    if not figures.failures:
        yield Figure("recovery", words.NOTHING, "no user error")
    elif figures.recovery_s is None:
        yield Figure("recovery", words.NOTHING, "it had not ended when the run did")
    else:
        yield Figure("recovery", words.seconds(figures.recovery_s), "first to last user error")
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
