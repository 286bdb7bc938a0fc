"""Each reason why a run proves nothing is found, and a sound run has none."""

from collections.abc import Callable
from typing import Any

import pytest

from lab.observer.watch.resources import resources
from lab.scenario import attention
from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.validity import reasons
from tests.scenario.histories import Line, careless, half_migrated_rename

SCENARIO = half_migrated_rename()
SOUND = careless(SCENARIO)
EVENTS = SOUND.events()
IN_WINDOW = round((SOUND.baseline_ends_s + 5) * NS)
EVER = -(10**12)
BEFORE_WINDOW = round(1 * NS)

Spoil = Callable[[list[Line]], None]


def found(events: list[Line]) -> tuple[str, ...]:
    return reasons(History(events), SCENARIO, SCENARIO.careless)


def spoilt(spoil: Spoil) -> tuple[str, ...]:
    events = [dict(event) for event in EVENTS]
    spoil(events)
    return found(events)


def first(events: list[Line], kind: str, *, since: int = EVER, **fields: Any) -> Line:
    return next(
        e
        for e in events
        if e["kind"] == kind and e["t"] >= since and all(e[k] == v for k, v in fields.items())
    )


def insert(events: list[Line], line: Line) -> None:
    """Put a line in and have the observer count it."""
    events.append(line)
    next(e for e in events if e["kind"] == "closed" and e["lines"])["lines"] += 1


def watch(what: str, t: int) -> Line:
    return {"kind": "watch", "t": t, "resource": "pods", "what": what, "detail": ""}


def test_a_sound_run_has_no_reason():
    assert found(EVENTS) == ()


def late_once(events: list[Line]) -> None:
    first(events, "request", since=IN_WINDOW)["sent"] += 300_000_000


def late_often(events: list[Line]) -> None:
    due = [e for e in events if e["kind"] == "request" and e["t"] >= IN_WINDOW]
    for event in due[: len(due) // 20]:
        event["sent"] += 30_000_000


def late_by_its_own_account(events: list[Line]) -> None:
    first(events, "health", since=IN_WINDOW)["lag_max_ms"] = 251.0


def silent(events: list[Line]) -> None:
    for event in events:
        if event["kind"] == "health" and 0 <= event["t"] - IN_WINDOW < 6 * NS:
            event["t"] = IN_WINDOW


def without_for(events: list[Line], seconds: float, kind: str, **fields: Any) -> None:
    """Take out the lines of that kind for some time from IN_WINDOW on."""
    for event in list(events):
        told = event["kind"] == kind and all(event[k] == v for k, v in fields.items())
        if told and 0 <= event["t"] - IN_WINDOW < seconds * NS:
            take(events, event)


def watcher_silent(events: list[Line]) -> None:
    without_for(events, 3, "tick", stream="watch")


def sampler_silent(events: list[Line]) -> None:
    without_for(events, 3, "tick", stream="database")


def no_ticks(events: list[Line]) -> None:
    without_for(events, 1000, "tick")


def late_watcher(events: list[Line]) -> None:
    first(events, "tick", since=IN_WINDOW, stream="watch")["lag_max_ms"] = 1001


def late_sampler(events: list[Line]) -> None:
    first(events, "tick", since=IN_WINDOW, stream="database")["lag_max_ms"] = 1400.5


def watcher_late_since_before(events: list[Line]) -> None:
    first(events, "tick", since=BEFORE_WINDOW, stream="watch")["lag_max_ms"] = 6000


def unsampled(events: list[Line]) -> None:
    without_for(events, 3, "db")


def cap(events: list[Line]) -> None:
    first(events, "health", since=IN_WINDOW)["cap_reached"] = True


def double(events: list[Line]) -> None:
    insert(events, dict(first(events, "request", since=IN_WINDOW)))


def gap(events: list[Line]) -> None:
    events.remove(first(events, "request", since=IN_WINDOW))


def restarted(events: list[Line]) -> None:
    first(events, "stream", stream="database")["instance"] = "j"


def unclosed(events: list[Line]) -> None:
    events.remove(first(events, "closed", stream="cluster"))


def expired(events: list[Line]) -> None:
    insert(events, watch("expired", IN_WINDOW))


def listed_again(events: list[Line]) -> None:
    insert(events, watch("listed", IN_WINDOW))


def lost_for_good(events: list[Line]) -> None:
    insert(events, watch("lost", IN_WINDOW))


def lost_for_long(events: list[Line]) -> None:
    insert(events, watch("lost", IN_WINDOW))
    insert(events, watch("resumed", IN_WINDOW + 3 * NS))


def lost_for_good_before(events: list[Line]) -> None:
    insert(events, watch("lost", BEFORE_WINDOW))


def forbidden_before(events: list[Line]) -> None:
    insert(events, watch("forbidden", BEFORE_WINDOW))


def forbidden_until_then(events: list[Line]) -> None:
    insert(events, watch("forbidden", BEFORE_WINDOW))
    insert(events, watch("resumed", IN_WINDOW))


def expired_for_good_before(events: list[Line]) -> None:
    insert(events, watch("expired", BEFORE_WINDOW))


def expired_shortly(events: list[Line]) -> None:
    insert(events, watch("expired", IN_WINDOW))
    insert(events, watch("resumed", IN_WINDOW + 1))


def never_listed(events: list[Line]) -> None:
    take(events, first(events, "watch", resource="jobs"))


def listed_late(events: list[Line]) -> None:
    first(events, "watch", resource="nodes")["t"] = IN_WINDOW


def unobserved(events: list[Line]) -> None:
    events.remove(first(events, "fault", what="observed"))


def skipped_step(events: list[Line]) -> None:
    events.remove(first(events, "step", name="old pods gone"))


def failed_fault(events: list[Line]) -> None:
    events.append({"kind": "fault", "t": IN_WINDOW, "name": "x", "what": "failed", "detail": "y"})


def unaudited(events: list[Line]) -> None:
    events.remove(first(events, "audit_done"))


def take(events: list[Line], line: Line) -> None:
    """Take a line out and have the observer count it no more."""
    events.remove(line)
    next(e for e in events if e["kind"] == "closed" and e["lines"])["lines"] -= 1


def post_of_a_session_unaudited(events: list[Line]) -> None:
    ref = next(e["ref"] for e in events if e["kind"] == "session" and e["chirp"])
    take(events, first(events, "audit", ref=ref))


def post_of_a_request_unaudited(events: list[Line]) -> None:
    ref = next(e["ref"] for e in events if e["kind"] == "request" and e.get("chirp"))
    take(events, first(events, "audit", ref=ref))


def audited_as_not_acknowledged(events: list[Line]) -> None:
    first(events, "audit", acked=True)["acked"] = False


def audited_as_acknowledged(events: list[Line]) -> None:
    first(events, "audit", acked=False)["acked"] = True


def counted_otherwise(events: list[Line]) -> None:
    first(events, "audit_done")["acked"] += 1


def unread_and_not_summed(events: list[Line]) -> None:
    first(events, "audit", readable=True)["readable"] = None


def unopened(events: list[Line]) -> None:
    take(events, first(events, "stream", stream="cluster"))


def session_gap(events: list[Line]) -> None:
    take(events, first(events, "session", since=IN_WINDOW))


def double_session(events: list[Line]) -> None:
    insert(events, dict(first(events, "session", since=IN_WINDOW)))


def last_health_missing(events: list[Line]) -> None:
    take(events, [e for e in events if e["kind"] == "health" and e["planned"]][-1])
    take(events, [e for e in events if e["kind"] == "health" and e["planned"]][-1])


def session_failing_before(events: list[Line]) -> None:
    first(events, "session", since=BEFORE_WINDOW)["ok"] = False


def no_sessions(events: list[Line]) -> None:
    for event in [e for e in events if e["kind"] == "session"]:
        take(events, event)


def failing_before(events: list[Line]) -> None:
    first(events, "request", since=BEFORE_WINDOW)["outcome"] = "reset"


def slow_before(events: list[Line]) -> None:
    due = [e for e in events if e["kind"] == "request" and 0 <= e["t"] < SOUND.baseline_ends_s * NS]
    for event in due[: len(due) // 50]:
        event["done"] = event["t"] + 1_001_000_000


def strange_release(events: list[Line]) -> None:
    first(events, "request", since=BEFORE_WINDOW)["release"] = "v7"


def skewed(events: list[Line]) -> None:
    for event in events:
        if event["kind"] == "request" and event["t"] < SOUND.baseline_ends_s * NS:
            event["pod"] = "old-0"


def too_many_pods(events: list[Line]) -> None:
    first(events, "request", since=BEFORE_WINDOW, stream="fresh")["pod"] = "old-9"


def no_traffic_before(events: list[Line]) -> None:
    for event in events:
        if event["kind"] == "request" and event["t"] < SOUND.baseline_ends_s * NS:
            event["t"] += round(SOUND.baseline_ends_s * NS)


def no_endpoints(events: list[Line]) -> None:
    events[:] = [event for event in events if event["kind"] != "endpoints"]


def told_twice(events: list[Line]) -> None:
    events.append(dict(first(events, "run")))


def out_of_order(events: list[Line]) -> None:
    settle = first(events, "phase", name="settle")
    events.remove(settle)
    events.insert(0, settle)


def no_health(events: list[Line]) -> None:
    events[:] = [event for event in events if event["kind"] != "health"]


def nothing_sent(events: list[Line]) -> None:
    for event in events:
        if event["kind"] == "request" and event["t"] >= SOUND.baseline_ends_s * NS:
            event["sent"] = None


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (late_once, "the client sent late: at most 300 ms, allowed 250"),
        (late_often, "the client sent late: p99 30.2 ms, allowed 20"),
        (late_by_its_own_account, "the client sent late: at most 251 ms, allowed 250"),
        (silent, "the client told nothing about itself for"),
        (watcher_silent, "the watch worker told nothing about itself for 4.0 s"),
        (sampler_silent, "the database worker told nothing about itself for 4.0 s"),
        (no_ticks, "the watch worker told nothing about itself for"),
        (late_watcher, "the watch worker came 1001 ms late to look, allowed 1000"),
        (late_sampler, "the database worker came 1400 ms late to look, allowed 1000"),
        (watcher_late_since_before, "the watch worker came 6000 ms late to look"),
        (unsampled, "nobody looked at the database for 3.5 s"),
        (cap, "too many requests in flight"),
        (double, "1 requests have more than one line"),
        (gap, "planned requests have no line"),
        (gap, "lines and"),
        (restarted, "the observer was restarted: 2 instances"),
        (unclosed, "stream cluster has no end"),
        (expired, "the watch of pods has a gap while it counted"),
        (listed_again, "the watch of pods has a gap while it counted"),
        (lost_for_good, "the watch of pods has a gap while it counted"),
        (lost_for_long, "the watch of pods has a gap while it counted"),
        (lost_for_good_before, "the watch of pods has a gap while it counted"),
        (forbidden_before, "the watch of pods has a gap while it counted"),
        (forbidden_until_then, "the watch of pods has a gap while it counted"),
        (expired_for_good_before, "the watch of pods has a gap while it counted"),
        (expired_shortly, "the watch of pods has a gap while it counted"),
        (never_listed, "the jobs were not listed before it counted"),
        (listed_late, "the nodes were not listed before it counted"),
        (unobserved, "its effect was not observed"),
        (skipped_step, "step 'old pods gone' did not happen"),
        (failed_fault, "x: y"),
        (unaudited, "the writes were not audited"),
        (post_of_a_session_unaudited, "1 of "),
        (post_of_a_request_unaudited, "acknowledged writes were not audited"),
        (audited_as_not_acknowledged, "acknowledged writes were not audited"),
        (audited_as_acknowledged, "1 writes were audited that nobody was told of"),
        (counted_otherwise, "the sum of the audit says"),
        (unread_and_not_summed, "the sum of the audit says 0 unread, its lines say 1"),
        (unopened, "stream cluster has no beginning"),
        (session_gap, "1 sessions have no line"),
        (double_session, "a session has more than one line"),
        (last_health_missing, "the client does not tell that it planned them"),
        (session_failing_before, "baseline: 1 of 12 sessions failed before anything was done"),
        (no_sessions, "baseline: no session was seen"),
        (failing_before, "failed before anything was done (1 x reset)"),
        (slow_before, "baseline: it was slow before anything was done: p99 1001 ms, allowed 1000"),
        (strange_release, "baseline: v7 answered, and is no ready endpoint"),
        (skewed, "baseline: a pod got"),
        (too_many_pods, "baseline: 5 pods answered, 4 are ready"),
        (no_traffic_before, "baseline: no request was seen"),
        (no_endpoints, "no endpoints was ever seen"),
        (told_twice, "the history tells the beginning of 2 runs"),
        (out_of_order, "the phases came in another order"),
        (no_health, "the client told nothing about itself"),
        (nothing_sent, "no request was sent while it counted"),
    ],
)
def test_what_spoils_a_run_is_told(spoil: Spoil, reason: str):
    assert any(reason in each for each in spoilt(spoil))


def late_before(events: list[Line]) -> None:
    first(events, "request", since=BEFORE_WINDOW)["sent"] += 300_000_000


def slow_as_allowed(events: list[Line]) -> None:
    for event in events:
        if event["kind"] == "request":
            event["done"] = event["t"] + 999_000_000


def resumed_soon(events: list[Line]) -> None:
    insert(events, watch("lost", IN_WINDOW))
    insert(events, watch("resumed", IN_WINDOW + NS))


def briefly_silent(events: list[Line]) -> None:
    without_for(events, 2, "tick")
    without_for(events, 2, "db")


def late_as_allowed(events: list[Line]) -> None:
    first(events, "tick", since=IN_WINDOW)["lag_max_ms"] = 1000
    first(events, "tick", since=BEFORE_WINDOW)["lag_max_ms"] = 4000


def forbidden_and_listed_before(events: list[Line]) -> None:
    insert(events, watch("forbidden", BEFORE_WINDOW))
    insert(events, watch("listed", BEFORE_WINDOW + 1))


def lost_and_listed_before(events: list[Line]) -> None:
    insert(events, watch("lost", BEFORE_WINDOW))
    insert(events, watch("listed", BEFORE_WINDOW + 1))


def expired_before(events: list[Line]) -> None:
    insert(events, watch("expired", BEFORE_WINDOW))
    insert(events, watch("listed", BEFORE_WINDOW + 1))


@pytest.mark.parametrize(
    "spoil",
    [
        late_before,
        slow_as_allowed,
        resumed_soon,
        briefly_silent,
        late_as_allowed,
        forbidden_and_listed_before,
        lost_and_listed_before,
        expired_before,
    ],
)
def test_what_happens_outside_of_the_window_or_is_short_spoils_nothing(spoil: Spoil):
    assert spoilt(spoil) == ()


def test_all_that_the_observer_watches_must_be_listed():
    observed = resources(namespace="chirps", service="chirps")

    assert sorted(each.name for each in observed) == sorted(attention.WATCHED)


def told_by_facts(**facts: object) -> Callable[[list[Line]], list[Line]]:
    def change(events: list[Line]) -> list[Line]:
        return [e | {"facts": e["facts"] | facts} if e["kind"] == "run" else e for e in events]

    return change


def test_a_stage_without_nodes_has_no_nodes_to_be_listed():
    without = [e for e in EVENTS if e["kind"] != "watch" or e["resource"] != "nodes"]
    watched = [name for name in attention.WATCHED if name != "nodes"]

    assert any("nodes were not listed" in reason for reason in found(without))
    told = told_by_facts(watched=watched)(without)
    assert not any("nodes" in reason for reason in found(told))


def test_who_watches_on_another_stage_has_to_tick_as_well():
    told = told_by_facts(watcher="twin")(EVENTS)

    assert any("the twin worker told nothing about itself" in reason for reason in found(told))


def test_the_cause_is_told_alone_when_the_run_broke_off():
    events = [e for e in EVENTS if e["t"] < IN_WINDOW]
    events.append({"kind": "lost", "t": IN_WINDOW, "what": "observer", "detail": "gone"})

    assert found(events) == ("observer lost: gone",)


def test_a_run_that_just_ended_is_told_as_such():
    events = [e for e in EVENTS if e["t"] < IN_WINDOW]

    assert found(events)[0] == (
        "the run did not come to its end: no recover, settle, verify, teardown"
    )
