"""What the history does not hold is never guessed."""

import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from lab.scenario import interruption, reach, traffic
from lab.scenario.checks import holds, no_write_is_lost, readable_through
from lab.scenario.events import NS
from lab.scenario.evidence import MissingEvidence, Window, baseline_window, verdict_window
from lab.scenario.history import History
from lab.scenario.load import CHIRP_ENDPOINTS, Invariant, Load
from lab.scenario.moments import (
    committed,
    first_ready,
    last_endpoint_gone,
    last_ready_endpoint_gone,
)
from tests.scenario.histories import careless, half_migrated_rename

TRUTH = careless(half_migrated_rename())
HISTORY = TRUTH.history()
EMPTY = History()


def test_moments_are_when_they_were_seen():
    old = [pod for pod in TRUTH.pods() if pod.release == "v1"]

    assert committed(6).at(HISTORY) == TRUTH.changed_s * NS
    assert committed(6).bound(HISTORY) == 1_000_000
    assert first_ready("v2-naive").at(HISTORY) == 14 * NS
    assert last_ready_endpoint_gone("v1").at(HISTORY) == max(pod.ends for pod in old) * NS
    assert last_endpoint_gone("v1").at(HISTORY) == max(pod.gone for pod in old) * NS
    assert last_endpoint_gone("v1").bound(HISTORY) == 0


def test_a_version_of_the_start_state_was_not_committed_in_the_run():
    with pytest.raises(MissingEvidence, match="version 5"):
        committed(5).at(HISTORY)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: committed(6).at(EMPTY),
        lambda: committed(9).at(HISTORY),
        lambda: first_ready("v9").at(HISTORY),
        lambda: last_endpoint_gone("v9").at(HISTORY),
        lambda: last_endpoint_gone("v2-naive").at(HISTORY),
        lambda: baseline_window(EMPTY),
        lambda: verdict_window(EMPTY),
        lambda: traffic.rate(EMPTY, "fresh", CHIRP_ENDPOINTS),
        lambda: traffic.total_timeout_ns(EMPTY),
        lambda: reach.at((), 0),
        lambda: holds(Invariant("x", "SELECT 1")).judge(HISTORY),
        lambda: no_write_is_lost().judge(EMPTY),
        lambda: readable_through("v2", since=committed(6), until=committed(7)).judge(HISTORY),
    ],
)
def test_what_was_not_seen_is_missing_evidence(ask: Callable[[], Any]):
    with pytest.raises(MissingEvidence):
        ask()


def test_an_endpoint_of_a_pod_that_was_never_seen_is_missing_evidence():
    endpoints = {"kind": "endpoints", "t": 1, "endpoints": [{"pod": "x", "ready": True}]}

    with pytest.raises(MissingEvidence, match="'x'"):
        reach.reaches(History([endpoints]))


def test_shares_are_those_of_ready_endpoints():
    begin = first_ready("v2-naive").at(HISTORY)
    parts = list(reach.shares(HISTORY, "v1", Window(begin, begin + 5 * NS)))

    # Four old pods and a new one, until the first old one ends.
    assert [share for _, share in parts] == [4 / 5, 3 / 4]
    assert [part.seconds for part, _ in parts] == [4.0, 1.0]
    assert reach.outage_seconds(HISTORY, "v1", Window(begin, begin + 5 * NS)) == 4 * 0.8 + 0.75


def test_without_a_ready_endpoint_nobody_is_met():
    assert reach.Reach(0, (), ("v1",)).share("v1") == 0


def test_the_rate_is_split_by_stream_and_endpoint():
    history = History(_run_with(Load(rate=60)))

    assert traffic.rate(history, "fresh", CHIRP_ENDPOINTS) == 60 * 0.75 * 48 / 60
    assert traffic.rate(history, "keepalive", CHIRP_ENDPOINTS) == 60 * 0.25 * 48 / 60


def _run_with(load: Load) -> list[dict[str, Any]]:
    names = {"scenario": "s", "variant": "v"}
    return [{"kind": "run", "t": 0, **names, "load": load.to_json(), "facts": {}}]


def test_signals_are_held_only_in_the_main_thread():
    ran = []

    def hold() -> None:
        with interruption.held():
            ran.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()

    assert ran == [signal.default_int_handler]


def test_what_is_asked_of_the_observer_is_json():
    assert Invariant("x", "SELECT 1", expected=2).to_json() == {
        "name": "x",
        "sql": "SELECT 1",
        "expected": 2,
    }
