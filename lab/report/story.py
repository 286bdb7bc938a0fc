"""What happened, in six lines with measured numbers: never more, fewer where less happened."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.report import pods, words
from lab.report.axis import Axis
from lab.report.database import Database
from lab.report.marks import step_of
from lab.report.requests import Requests
from lab.report.timeline import describe
from lab.report.traffic import Traffic
from lab.scenario import stats
from lab.scenario.events import NS, Event


@dataclass(frozen=True, slots=True)
class Line:
    """`second` on the axis, None for what has no moment."""

    second: float | None
    text: str

    @property
    def when(self) -> str:
        return "" if self.second is None else words.moment(self.second)


def tell(
    events: Sequence[Event], axis: Axis, traffic: Traffic, database: Database, requests: Requests
) -> tuple[Line, ...]:
    """Tell baseline, faults, schema, rollout, first, last and worst failure, as they came.

    `traffic` was counted from `requests` along `axis`.
    """
    lines = [
        *_baseline(requests, axis),
        *_faults(events, axis, database),
        *_rollout(events, axis),
        *_failures(requests, axis, traffic, database),
    ]
    lines.sort(key=lambda line: (line.second is None, line.second or 0))
    return tuple(lines)


def _baseline(requests: Requests, axis: Axis) -> Iterator[Line]:
    # Second 0 begins with the fault, so what came before it fills whole seconds.
    before = list(requests.before(0))
    if not axis.at_fault or not before:
        yield Line(None, f"no fault came; {words.times(requests.total, 'request')} were sent")
        return
    count = sum(each.counts.total() for each in before)
    failures = sum(n for each in before for (_, failed), n in each.counts.items() if failed)
    p99 = stats.percentile([ms for each in before for ms in each.latencies], 0.99)
    assert requests.first is not None
    yield Line(
        axis.second(requests.first),
        f"baseline: {words.times(count, 'request')}, {words.number(failures)} failed, "
        f"p99 {words.milliseconds(p99)}",
    )


def _faults(events: Sequence[Event], axis: Axis, database: Database) -> Iterator[Line]:
    asked = [e for e in events if e["kind"] == "fault" and e["what"] == "requested"]
    if not asked:
        return
    later = "".join(
        f", {step_of(each)} at {words.moment(axis.second(each['t']))}" for each in asked[1:3]
    )
    yield Line(axis.second(asked[0]["t"]), f"requested: {step_of(asked[0])}{later}")
    if database.commits:
        first, *more = database.commits
        text = f"schema {first.version} committed (± {words.milliseconds(first.bound_s * 1000)})"
        for each in more[:2]:
            text += f", {each.version} at {words.moment(each.second)}"
        yield Line(first.second, text)


def _rollout(events: Sequence[Event], axis: Axis) -> Iterator[Line]:
    rollout = pods.find_rollout(events, axis)
    if rollout is None:
        return
    text = f"first {rollout.new} pod ready"
    if rollout.old and rollout.gone is None:
        text += f"; {rollout.old} stays ready"
    elif rollout.old and rollout.gone is not None:
        text += f"; no {rollout.old} pod ready from {words.moment(rollout.gone)}"
    yield Line(rollout.came, text)


def _failures(
    requests: Requests, axis: Axis, traffic: Traffic, database: Database
) -> Iterator[Line]:
    first, last = requests.first_failure, requests.last_failure
    if first is None or last is None:
        sent = words.times(traffic.requests, "request")
        yield Line(None, f"no request failed, of {sent} in the whole run")
        return
    after = _after_commit(axis.second(first["done"]), database)
    yield Line(axis.second(first["done"]), f"first failure: {describe(first)}{after}")
    span = (last["done"] - first["done"]) / NS
    yield Line(
        axis.second(last["done"]),
        f"last failure, {words.seconds(span)} after the first: "
        f"{words.number(requests.failures)} in all, {_worst(axis, traffic)}",
    )


def _after_commit(second: float, database: Database) -> str:
    before = [each for each in database.commits if each.second <= second]
    if not before:
        return ""
    return f", {words.seconds(second - before[-1].second)} after schema {before[-1].version}"


def _worst(axis: Axis, traffic: Traffic) -> str:
    columns = [band.counts for band in traffic.bands if band.failed]
    sums = [sum(each) for each in zip(*columns, strict=True)]
    if not sums:
        return "in a second that is not over"
    worst = max(range(len(sums)), key=sums.__getitem__)
    sent = sum(band.counts[worst] for band in traffic.bands)
    return f"at worst {sums[worst]} of {sent} at {axis.first + worst:+d} s"
