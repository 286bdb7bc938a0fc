"""When is a pod ready, started, alive?"""

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.chirps import readiness
from lab.chirps.discriminator import PRIVATE_FOR_S, Found
from lab.chirps.liveness import STUCK_FOR_S, STUCK_LAG_S, TICK_S, Pulse
from lab.chirps.readiness import Check, Kind, Policy, Readiness
from tests.chirps.service import ask, make_state, run

GONE = psycopg.OperationalError("server closed the connection")
YES = [(1,)]


async def works() -> None: ...


def check(kind: Kind = Kind.SHARED) -> Check:
    return Check("database", kind, works)


def test_a_dependency_never_reached_keeps_the_pod_out_of_traffic() -> None:
    state = make_state(GONE)
    run(readiness.run(state.readiness.checks[0]))

    answer = ask(state, "GET", "/readyz")

    assert answer.status == 503
    (told,) = answer.json()["checks"]
    assert told["class"] == "private"
    assert told["detail"] == "server closed the connection"


def test_a_shared_dependency_once_reached_is_reported_and_never_takes_the_pod_out() -> None:
    state = make_state(YES, GONE)
    for _ in range(2):
        run(readiness.run(state.readiness.checks[0]))

    answer = ask(state, "GET", "/readyz")

    assert answer.status == 200
    assert answer.json()["degraded"] == ["database"]
    assert answer.json()["checks"][0]["class"] == "shared"


def test_a_private_dependency_takes_the_pod_out_whenever_it_fails() -> None:
    private = check(Kind.PRIVATE)
    found = Readiness((private,))
    private.learn(None, 1)
    assert found.is_ready(1)

    private.learn("broken", 2)

    assert not found.is_ready(2)
    assert found.is_started


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_readiness_follows_from_the_history_of_a_shared_dependency(results: list[bool]) -> None:
    shared = check()
    found = Readiness((shared,))
    for moment, good in enumerate(results):
        shared.learn(None if good else "gone", moment)

        assert found.is_ready(moment) == any(results[: moment + 1])
        assert found.answer(draining=False, now=moment)["degraded"] == (
            ["database"] if any(results[: moment + 1]) and not good else []
        )


def test_a_pod_that_drains_is_not_ready_and_still_alive() -> None:
    state = make_state(YES)
    run(readiness.run(state.readiness.checks[0]))
    assert ask(state, "GET", "/readyz").status == 200

    state.drain.begin(1)

    assert ask(state, "GET", "/readyz").status == 503
    assert ask(state, "GET", "/readyz").json()["draining"] is True
    assert ask(state, "GET", "/livez").status == 200


def test_a_pod_is_started_when_everything_was_reached_once() -> None:
    state = make_state(GONE, YES, GONE)
    statuses = []
    for _ in range(3):
        run(readiness.run(state.readiness.checks[0]))
        statuses.append(ask(state, "GET", "/startupz").status)

    assert statuses == [503, 200, 200]


def test_the_age_of_a_result_is_told() -> None:
    old = check()
    old.learn(None, 10)

    assert old.answer(12.5)["age_s"] == 2.5
    assert check().answer(12.5)["age_s"] is None


def ticks(*late: float) -> Pulse:
    """A pulse whose ticks came that much too late."""
    pulse, now = Pulse(), 0.0
    pulse.tick(now)
    for each in late:
        now += TICK_S + each
        pulse.tick(now)
    return pulse


def test_a_loop_that_keeps_time_is_alive() -> None:
    pulse = ticks(0, 0.01, 0)

    assert pulse.is_alive(2)
    assert pulse.lag_s == 0


def test_one_long_pause_is_not_yet_death() -> None:
    pulse = ticks(STUCK_LAG_S + 1)

    assert pulse.is_alive(TICK_S + STUCK_LAG_S + 1)


def test_a_loop_that_is_late_again_and_again_is_dead() -> None:
    late = STUCK_LAG_S + 1
    pulse = ticks(late, late, late)

    assert not pulse.is_alive(3 * (TICK_S + late))


def test_a_loop_that_recovers_is_alive() -> None:
    late = STUCK_LAG_S + 1

    assert ticks(late, late, late, 0).is_alive(1000)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(min_value=0, max_value=STUCK_LAG_S), max_size=20))
def test_lateness_below_the_limit_never_kills(late: list[float]) -> None:
    pulse = ticks(*late)

    assert pulse.last_tick is not None
    assert pulse.is_alive(pulse.last_tick + STUCK_FOR_S)


def test_a_dead_loop_is_told_with_503() -> None:
    state = make_state()
    state.pulse.late_since = -STUCK_FOR_S

    answer = ask(state, "GET", "/livez")

    assert answer.status == 503
    assert answer.json()["failures"] == ["event loop: late by 0.0 s"]


def test_a_pool_broken_in_this_process_only_is_a_reason_to_start_again() -> None:
    state = make_state()
    private = state.discriminator
    private.proven = private.failing = True
    private.since, private.confirmed, private.found = 0.0, PRIVATE_FOR_S, Found.WORKS

    answer = ask(state, "GET", "/livez")

    assert answer.status == 503
    assert answer.json()["failures"][0].startswith("pool: it gives nothing")


def test_a_database_that_is_away_is_none_and_is_not_even_asked() -> None:
    assert ask(make_state(GONE), "GET", "/livez").status == 200


def test_liveness_by_database_dies_with_the_database() -> None:
    state = make_state(YES, GONE, CHIRPS_LIVENESS="database")

    assert ask(state, "GET", "/livez").status == 200
    answer = ask(state, "GET", "/livez")

    assert answer.status == 503
    assert answer.json()["failures"] == ["database: server closed the connection"]


def test_shallow_readiness_is_200_before_anything_was_looked_at() -> None:
    state = make_state()
    state.readiness.policy = Policy.SHALLOW

    assert ask(state, "GET", "/readyz").status == 200
    assert ask(state, "GET", "/startupz").status == 200


def test_a_start_that_waits_says_why() -> None:
    state = make_state(GONE)
    run(readiness.run(state.readiness.checks[0]))

    answer = ask(state, "GET", "/startupz")

    assert answer.status == 503
    assert answer.json()["waiting_for"] == ["database"]
    assert answer.json()["database"]["detail"] == "server closed the connection"
