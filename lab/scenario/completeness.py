"""Is everything here that was written, and was everything written that was done?

A line that is missing may be the one that tells a failure, so each gap that can be seen
makes the run invalid: streams are counted by whoever wrote them, requests and sessions by
their numbers, and acknowledged writes by what the audit says of each.
"""

from collections import Counter
from collections.abc import Iterator

from lab.scenario import posts
from lab.scenario.events import is_observed
from lab.scenario.history import History

Reasons = Iterator[str]


def reasons(history: History) -> Reasons:
    """Every stream came whole; all that was planned has one line."""
    if history.truncated:
        yield "the last line of the history was cut"
    yield from _streams(history)
    yield from _missing_requests(history)
    yield from _missing_sessions(history)


def of_audit(history: History) -> Reasons:
    """Each chirp that was acknowledged was looked for."""
    done = history.last("audit_done")
    if done is None:
        yield "the writes were not audited"
        return
    acked = {post.ref for post in posts.acknowledged(history)}
    audited = {event["ref"] for event in history.of("audit") if event["acked"]}
    if acked - audited:
        yield f"{len(acked - audited)} of {len(acked)} acknowledged writes were not audited"
    if audited - acked:
        yield f"{len(audited - acked)} writes were audited that nobody was told of"
    for name, counted in posts.fates(history).items():
        if done[name] != counted:
            yield f"the sum of the audit says {done[name]} {name}, its lines say {counted}"


def _streams(history: History) -> Reasons:
    instances = {event["instance"] for event in history.of("stream")}
    if len(instances) > 1:
        yield f"the observer was restarted: {len(instances)} instances"
    opened = {event["stream"] for event in history.of("stream")}
    closed = {event["stream"] for event in history.of("closed")}
    if not opened:
        yield "no stream of the observer was recorded"
    for name in sorted(opened - closed):
        yield f"stream {name} has no end"
    for name in sorted(closed - opened):
        yield f"stream {name} has no beginning"
    if opened == closed:
        yield from _missing_lines(history)


def _missing_lines(history: History) -> Reasons:
    told = sum(event["lines"] for event in history.of("closed"))
    found = sum(1 for event in history.events if is_observed(event["kind"]))
    if told != found:
        yield f"the observer wrote {told} lines and {found} are here"


def _missing_requests(history: History) -> Reasons:
    health = history.last("health")
    if health is None:
        yield "the client told nothing about itself"
        return
    numbers = Counter(event["seq"] for event in history.of("request"))
    missing = sum(1 for seq in range(health["planned"]) if seq not in numbers)
    if missing:
        yield f"{missing} of {health['planned']} planned requests have no line"
    unplanned = sum(1 for seq in numbers if seq >= health["planned"])
    if unplanned:
        yield f"{unplanned} requests have a line, and the client does not tell that it planned them"
    twice = sum(1 for count in numbers.values() if count > 1)
    if twice:
        yield f"{twice} requests have more than one line"
    if any(event["cap_reached"] for event in history.of("health")):
        yield "the client had too many requests in flight, so it did not send all"


def _missing_sessions(history: History) -> Reasons:
    """Sessions are numbered; how many were planned is told by nobody."""
    numbers = Counter(event["seq"] for event in history.of("session"))
    missing = sum(1 for seq in range(max(numbers, default=-1) + 1) if seq not in numbers)
    if missing:
        yield f"{missing} sessions have no line"
    if any(count > 1 for count in numbers.values()):
        yield "a session has more than one line"
