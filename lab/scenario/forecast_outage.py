"""How many requests fail while nobody serves them, and from when until when?

The size is what is asked for: the line is a wall, and timers say where it stands.
"""

from collections.abc import Collection

from lab.scenario.checks_outage import SERVICE_LOOKS_S
from lab.scenario.checks_pods import wait_s
from lab.scenario.forecast import Forecast, Foresee
from lab.scenario.forecast_line import between, drawn
from lab.scenario.forecast_told import SEEN_S, Told, foretold

GATE_LOOKS_S = 1.0
"""How often a gate looks at the schema (EVERY_S of lab/chirps/gate_keeper.py)."""
LIFE_S = 1.0
"""How long a program lives that looks at the schema once and refuses, and how long it takes
until the first of them is started."""
SESSION_S = 1.0
"""From when a session is asked for until its statement runs."""
DATABASE_S = 0.7
"""From when the database is started again until it answers."""
LATE_S = 1.0
"""How much later than the progress deadline it is told that it was exceeded."""
BASELINE_S = 10.0
"""How long traffic runs before the first fault, where the stage has no time of its own."""


def stand_still(endpoints: Collection[str], *, session_s: float, lead_s: float) -> Foresee:
    """Requests to `endpoints` wait in a queue of locks, longer than a client waits.

    A session of `session_s` is the first fault, and a migration that needs the table for itself
    follows after `lead_s`; who asks later waits behind it. Those that are due less than
    total_timeout_s before the session's end are answered in time.
    https://www.postgresql.org/docs/18/explicit-locking.html#LOCKING-TABLES
    """

    @foretold
    def foresee(told: Told) -> Forecast:
        asked, timeout_s = told.rate_to(endpoints), told.load("total_timeout_s")
        queued = SESSION_S + SEEN_S + lead_s + told.pace.commit_s
        in_time = max(queued, SESSION_S + session_s - timeout_s)
        return Forecast(
            f"{asked:.0f} requests/s wait for a session of {session_s:g} s, in vain until"
            f" its last {timeout_s:g} s",
            drawn(((queued, asked), (in_time, 0.0))),
        )

    return foresee


def held_up(*, lock_s: float) -> Foresee:
    """Nobody fails who waits behind a lock_timeout of `lock_s`, which clients outwait.

    https://www.postgresql.org/docs/18/runtime-config-client.html#GUC-LOCK-TIMEOUT
    """

    @foretold
    def foresee(told: Told) -> Forecast | None:
        timeout_s = told.load("total_timeout_s")
        if lock_s >= timeout_s:
            return None
        longest = f"the longest wait is {lock_s:g} s, and clients wait {timeout_s:g} s"
        return Forecast(f"no request should fail: {longest}", ((0.0, 0.0),))

    return foresee


def the_database_takes_all(endpoints: Collection[str], *, away_s: float) -> Foresee:
    """Who needs the database fails at once, and all fail when the probe has taken the pods out.

    The database is the first fault. `away_s` later it is started again, and pods are back with
    their next probe. Kept connections stay with pods that are out: what needs none is served.
    https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-probes
    """

    @foretold
    def foresee(told: Told) -> Forecast:
        needing, asked = told.rate_to(endpoints), told.load("rate")
        out = SEEN_S + SERVICE_LOOKS_S / 2 + told.unready_after_s()
        back = SEEN_S + away_s + DATABASE_S + SERVICE_LOOKS_S / 2
        everybody = asked - told.load("keepalive_share") * (asked - needing)
        line = ((0.0, needing), (out, everybody)) if out < back else ((0.0, needing),)
        return Forecast(
            f"{needing:.0f} requests/s need the database, and all {asked:g} a pod: none is ready"
            f" {told.unready_after_s():g} s of probes later",
            drawn(between(line, 0.0, back)),
        )

    return foresee


def the_database_takes_its_own(endpoints: Collection[str], *, away_s: float) -> Foresee:
    """Who needs the database fails while it is away, and nobody else does."""

    @foretold
    def foresee(told: Told) -> Forecast:
        needing = told.rate_to(endpoints)
        back = SEEN_S + away_s + DATABASE_S
        source = f"{needing:.0f} requests/s need the database, which is away for {away_s:g} s"
        return Forecast(source, drawn(((0.0, needing), (back, 0.0))))

    return foresee


def all_are_taken_out(*, later_s: float, look_s: float) -> Foresee:
    """No new connection is served from when all pods have seen a schema that is not theirs.

    The migration is the first fault; `later_s` after it a rollout begins that cannot succeed,
    and is taken back when its progress deadline is exceeded. `look_s` after that pods are rolled
    out that ask for less. Kept connections stay with pods that are out.
    https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#failed-deployment
    """

    @foretold
    def foresee(told: Told) -> Forecast:
        deadline_s, probes_s = told.number("progress_deadline_s"), told.unready_after_s()
        new = told.load("rate") * (1 - told.load("keepalive_share"))
        out = told.pace.commit_s + GATE_LOOKS_S / 2 + SERVICE_LOOKS_S / 2 + probes_s
        undone = told.pace.commit_s + SEEN_S + later_s + deadline_s + LATE_S
        back = undone + SEEN_S + look_s + told.pace.start_s
        return Forecast(
            f"{new:.0f} new connections/s find no pod ready after {probes_s:g} s of probes,"
            f" and beyond the deadline of {deadline_s:g} s",
            drawn(((out, new), (max(out, back), 0.0))),
        )

    return foresee


def nobody_is_there(*, migrate_s: float, statement_s: float, backs_off: bool) -> Foresee:
    """Nobody is served from the beginning until the first pod finds the schema it needs.

    The migration is asked for `migrate_s` after the pods, and takes `statement_s`. Pods that
    wait serve soon after the commit; those that exit are started again by the kubelet, ever
    later. https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
    """

    @foretold
    def foresee(told: Told) -> Forecast:
        asked = told.load("rate")
        commit = migrate_s + told.pace.commit_s + statement_s
        ready = (_first_try_after(commit) if backs_off else commit) + told.pace.start_s
        way = "and the back-off after it are over" if backs_off else "has committed"
        return Forecast(
            f"all {asked:g} requests/s until a migration of {statement_s:g} s {way}",
            drawn(((-told.baseline_s(BASELINE_S), asked), (ready, 0.0))),
        )

    return foresee


def _first_try_after(commit: float) -> float:
    """Return when a container is started that lives until the commit, in seconds."""
    begun, restarts = LIFE_S, 0
    while begun + LIFE_S < commit:
        begun += LIFE_S + wait_s(restarts)
        restarts += 1
    return begun
