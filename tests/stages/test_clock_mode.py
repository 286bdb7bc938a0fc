"""Which clock a scenario is played with, and where it cannot be another."""

from pathlib import Path

import pytest

from lab import content
from lab.errors import BadInput
from lab.paths import Caller, Paths
from lab.progress import Silent
from lab.scenario import loader
from lab.scenario.model import Scenario, Start
from lab.scenario.profile import profile_of
from lab.service import rollout
from lab.stages import choice
from lab.stages.clock_mode import FAST, HONEST, mode_of

DEPLOYED = rollout.values_of("lab-good")


def test_the_honest_clock_changes_nothing_of_the_start() -> None:
    start = Start(profile={"replicas": 2})

    assert HONEST.applied_to(start, DEPLOYED) is start


def test_with_the_fast_clock_pods_leave_a_lost_node_sooner_and_rollouts_wait_less() -> None:
    start = FAST.applied_to(Start(profile={"replicas": 2}), DEPLOYED)

    assert start.profile == {
        "replicas": 2,
        "toleration_seconds": 5,
        "min_ready_seconds": 2,
        "progress_deadline_seconds": 15,
    }


def test_with_the_fast_clock_a_run_is_watched_for_less_long_before_and_after() -> None:
    honest, fast = (profile_of(renamed(), mode.watched) for mode in (HONEST, FAST))

    assert (honest.baseline_s, fast.baseline_s) == (10, 5)
    assert "for 5 s" in honest.settle.sentence
    assert "for 2 s" in fast.settle.sentence


def test_what_a_scenario_sets_itself_stays() -> None:
    start = FAST.applied_to(Start(profile={"toleration_seconds": 7}), DEPLOYED)

    assert start.profile["toleration_seconds"] == 7


def test_what_is_shorter_anyway_is_not_made_longer() -> None:
    deployed = {"toleration_seconds": None, "min_ready_seconds": 0, "progress_deadline_seconds": 12}

    assert FAST.applied_to(Start(), deployed).profile == {"toleration_seconds": 5}


def test_a_node_may_miss_some_reports_before_it_is_lost() -> None:
    assert FAST.timers is not None
    assert FAST.timers.node_monitor_grace_s >= 4 * FAST.timers.node_status_report_s


def test_an_unknown_clock_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadInput, match="honest, fast"):
        mode_of("slow", stage="sandbox", can_be_fast=True)


def test_the_twin_has_no_timers_to_shorten(tmp_path: Path) -> None:
    paths = Paths(Caller(0, 0, tmp_path), tmp_path, tmp_path, tmp_path)

    with pytest.raises(BadInput, match="the twin has none"):
        choice.place_of(paths, "twin", renamed(), lab_name="lab", progress=Silent(), clock="fast")


def renamed() -> Scenario:
    return loader.load(content.folder("scenarios"), "half-migrated-rename").scenario
