"""Predictions about pods that the API counts no more, and that live: who sees them, and who not?"""

from lab.scenario import reach, sessions, wanted
from lab.scenario.checks_data import answer
from lab.scenario.evidence import Window, phase_began
from lab.scenario.history import History
from lab.scenario.model import Check, Invariant, Moment
from lab.scenario.nodes import ghosts
from lab.scenario.verdict import CheckResult

RECOVERY = "recover"
"""The phase in which faults are taken back: until then counts what they did."""
FEWEST = 5
"""Below so many rows that were due, none at all would be no news."""
BEATS = 2
"""By so many rows a pod's work may differ from what was due in a time."""


def the_api_counts_none(release: str, *, at: Moment) -> Check:
    """Who asks the API is told that no pod of `release` is left, and nobody is sent to one."""
    name = f"the API counts no pod of {release}"

    def judge(history: History) -> CheckResult:
        t = at.at(history)
        count = wanted.counted(history, release, t)
        ready = reach.at(reach.reaches(history), t).ready.count(release)
        total = None if count is None else count + ready
        return CheckResult(
            name=name,
            ok=None if total is None else total == 0,
            claim=f"at {at.sentence} the API counts no pod of {release}",
            predicted=0,
            measured=total,
            formula=f"pods that ReplicaSets of {release} count + its ready endpoints",
            tolerance="none",
            detail="" if total is not None else f"no ReplicaSet of {release} was seen",
        )

    return Check(name, judge)


def ghosts_are_connected(release: str, node: str, *, at: Moment) -> Check:
    """Exactly the pods that were given up on the lost node still talk to the database."""
    name = f"ghosts of {release} are connected"

    def judge(history: History) -> CheckResult:
        t = at.at(history)
        expected = ghosts(history, node, release, t)
        before, after = sessions.around(history, t)
        seen = sessions.pods_of(before, release) & sessions.pods_of(after, release)
        return CheckResult(
            name=name,
            ok=bool(expected) and seen == expected,
            claim=f"before and after {at.sentence} sessions of {release} are there, all from"
            f" pods that were given up on {node}",
            predicted=_names(expected),
            measured=_names(seen),
            formula=f"pods of {release} on {node}, marked for deletion and not seen to end",
            tolerance="none: the samples right before and right after",
        )

    return Check(name, judge)


def nobody_is_connected(release: str, *, since: Moment) -> Check:
    """No session of `release` is there until the faults are taken back, not even for a moment."""
    name = f"no session of {release}"

    def judge(history: History) -> CheckResult:
        t = since.at(history)
        before, _ = sessions.around(history, t)
        until = phase_began(history, RECOVERY)
        samples = (before, *sessions.within(history, Window(t, until)))
        seen = frozenset[str]().union(*(sessions.pods_of(each, release) for each in samples))
        return CheckResult(
            name=name,
            ok=not seen,
            claim=f"from {since.sentence} on no pod of {release} has a session",
            predicted=0,
            measured=len(seen),
            formula="pods with a session in any sample, the one right before included",
            tolerance="none",
            detail=f"{len(samples)} samples" + (f"; {_names(seen)}" if seen else ""),
        )

    return Check(name, judge)


def ghosts_go_on_writing(
    release: str, node: str, rows: Invariant, *, at: Moment, over_s: float, every_s: float
) -> Check:
    """As many rows as the ghosts were due to write arrive: `rows` counts the last `over_s`."""
    name = f"rows that ghosts of {release} write"

    def judge(history: History) -> CheckResult:
        pods = len(ghosts(history, node, release, at.at(history)))
        due, arrived = pods * over_s / every_s, answer(history, rows)
        allowed = pods * BEATS
        return CheckResult(
            name=name,
            ok=due >= FEWEST and abs(arrived - due) <= allowed,
            claim=f"each pod of {release} that was given up writes every {every_s:g} s until"
            f" {at.sentence}",
            predicted=round(due),
            measured=arrived,
            formula=f"{pods} pods x {over_s:g} s / {every_s:g} s; {rows.sql}",
            tolerance=f"+- {allowed}: {BEATS} a pod, at the ends of the time and for a slow write",
            detail="" if pods else f"no pod of {release} was left on {node}",
        )

    return Check(name, judge)


def work_is_lost(release: str, rows: Invariant, *, since: Moment, every_s: float) -> Check:
    """Ghosts go on working, and nothing of it arrives: each of them writes every `every_s`.

    `rows` counts what arrived of it since that moment.
    """
    name = f"work of {release} gets lost"

    def judge(history: History) -> CheckResult:
        window = Window(since.at(history), phase_began(history, RECOVERY))
        samples = sessions.within(history, window)
        pods = min((len(sessions.pods_of(each, release)) for each in samples), default=0)
        due = pods * window.seconds / every_s
        arrived = answer(history, rows)
        return CheckResult(
            name=name,
            ok=due >= FEWEST and arrived == 0,
            claim=f"of what {release} writes after {since.sentence}, nothing arrives",
            predicted=0,
            measured=arrived,
            formula=f"rows that arrived, of {pods} pods x {window.seconds:.0f} s /"
            f" {every_s:g} s = {due:.0f} that were due",
            tolerance=f"none; {FEWEST} must have been due",
            detail="" if pods else f"no pod of {release} was connected all the time",
        )

    return Check(name, judge)


def _names(pods: frozenset[str]) -> str:
    return ", ".join(sorted(pods)) or "none"
