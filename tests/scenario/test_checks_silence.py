"""Does it stop once the cause is gone? Of each stream something must have been asked to tell."""

from collections.abc import Callable

from lab.scenario.checks_silence import silent_after
from lab.scenario.history import History
from lab.scenario.moments import last_endpoint_gone, last_ready_endpoint_gone
from lab.scenario.verdict import CheckResult
from tests.scenario.histories import NEVER, half_migrated_rename
from tests.scenario.told import Life, Told

# The last of v1 leaves the Service at 30 s, and has ended at 40; a request takes up to 3 s.
READY_GONE, GONE = 30.0, 40.0


def judged(*, until: float, fails: Callable[[float, str, str], str | None]) -> CheckResult:
    pods = [
        Life("old", "v1", ((-10.0, READY_GONE),), -10.0, GONE),
        Life("new", "v2", ((READY_GONE - 5, NEVER),), 20.0, NEVER),
    ]
    scenario = half_migrated_rename()
    told = Told(scenario, scenario.careless, pods, fails, verify_s=until)
    return check(told.history())


def check(history: History) -> CheckResult:
    moments = {"fresh": last_ready_endpoint_gone("v1"), "keepalive": last_endpoint_gone("v1")}
    return silent_after(**moments).judge(history)


def nothing(_at: float, _release: str, _endpoint: str) -> None:
    return None


def test_it_is_silent_when_both_streams_were_asked_and_answered() -> None:
    found = judged(until=GONE + 2, fails=nothing)

    assert found.ok
    assert found.measured == 0


def test_it_cannot_be_told_of_a_stream_of_which_nothing_was_due_so_late() -> None:
    found = judged(until=GONE + 0.3, fails=nothing)

    assert found.ok is None
    assert "no request of keepalive" in found.detail


def test_one_failure_on_a_connection_that_was_kept_is_too_many() -> None:
    def after_it_has_ended(at: float, release: str, _endpoint: str) -> str | None:
        return "42703" if at > GONE + 1 and release == "v2" else None

    found = judged(until=GONE + 2, fails=after_it_has_ended)

    assert found.ok is False
    assert found.measured


def test_a_new_connection_may_be_in_flight_for_as_long_as_a_request_lasts() -> None:
    def for_two_seconds(at: float, release: str, _endpoint: str) -> str | None:
        return "42703" if READY_GONE < at < READY_GONE + 2 and release == "v2" else None

    assert judged(until=GONE + 2, fails=for_two_seconds).ok
