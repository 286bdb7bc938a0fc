"""Ctrl-C and `kill -9` in every phase of a run: the next run starts clean."""

import json
import signal

import pytest

from tests.e2e.home import interrupt, wait_for
from tests.e2e.service.conftest import SCENARIOS, Served

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("interruptions"), pytest.mark.timeout(400)]

RUN = ("scenario", "run", "quick", "--scenarios", str(SCENARIOS), "--variant", "careless")
PHASES = ("setup", "baseline", "run", "settle", "verify")
KILLED_IN = ("run",)


def cut_in(served: Served, phase: str, number: signal.Signals) -> int:
    """Start a run, end it with `number` in a phase, and return its exit status."""
    before = served.newest("quick")
    running = served.home.begin(*RUN)
    reached = wait_for(
        lambda: (
            (served.newest("quick") != before and served.phase("quick", "careless") == phase)
            or running.poll() is not None
        ),
        timeout_s=120,
        every_s=0.01,
    )
    assert reached, phase
    assert running.poll() is None, f"ended before {phase}: {running.communicate()}"
    if number is signal.SIGINT:
        interrupt(running)
    else:
        running.kill()
        running.communicate(timeout=20)
    return running.returncode


def runs_v1_on_schema_5(served: Served) -> bool:
    deployment = json.loads(served.kubectl("get", "deployment", "chirps", "-o", "json"))
    release = deployment["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"]
    schema = served.home.must("psql", "-Atc", "SELECT max(version_id) FROM goose_db_version")
    return (release, schema.strip()) == ("v1", "5")


def test_whenever_a_run_is_cut_short_the_next_one_starts_clean(served: Served) -> None:
    for phase in PHASES:
        assert cut_in(served, phase, signal.SIGINT) == 130, phase
    for phase in KILLED_IN:
        assert cut_in(served, phase, signal.SIGKILL) == -signal.SIGKILL, phase

    done = served.run("quick", "--variant", "careless", "--json")

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)[0]["outcome"] == "reproduced"
    served.home.must("reset")
    assert runs_v1_on_schema_5(served)


def test_a_run_that_was_cut_short_is_shown_as_one(served: Served) -> None:
    cut_in(served, "baseline", signal.SIGINT)

    shown = served.home.lab("report", "show", "quick")
    again = served.home.lab("report", "recheck", "quick", "--scenarios", str(SCENARIOS))

    assert "AS PREDICTED" not in shown.stdout
    assert again.returncode == 3
    assert "invalid" in again.stdout


def test_a_second_run_at_the_same_time_is_told_who_works_on_the_lab(served: Served) -> None:
    first = served.home.begin(*RUN)
    wait_for(lambda: served.phase("quick", "careless") == "baseline", timeout_s=60)

    second = served.run("quick")

    interrupt(first)
    assert second.returncode == 4
    assert "another lab command changes lab 'lab' now" in second.stderr
