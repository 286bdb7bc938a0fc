"""What each scenario foresees, beside histories that came as predicted.

A margin says how far a total may be beside what truly failed: a rollout's own pace is assumed, the
rest is configured. Each timer that a forecast names moves its line.
"""

from collections.abc import Mapping
from math import inf
from typing import Any

import pytest

from lab import content
from lab.scenario import loader
from lab.scenario.announce import foresee
from lab.scenario.events import NS, Event
from lab.scenario.forecast import Forecast
from lab.scenario.history import History
from lab.scenario.load import CHIRP_ENDPOINTS
from lab.scenario.model import Scenario, Variant
from tests.scenario import histories
from tests.scenario import test_hook_poisoned_rollback as hook
from tests.scenario import test_lock_queue as queue
from tests.scenario import test_not_null_default_dropped as notnull
from tests.scenario import test_shallow_ready_bad_config as shallow
from tests.scenario import test_shared_dep_readiness as shared
from tests.scenario import test_undo_into_the_wall as wall
from tests.scenario import test_unordered_apply as unordered
from tests.scenario.histories import NEVER, Pod
from tests.scenario.playing import play
from tests.scenario.simulated import FakeTime
from tests.scenario.simulated_nodes import NodesStage
from tests.scenario.told import Told

Facts = Mapping[str, Any]

SIX_NODES: Facts = {
    "replicas": 4,
    "max_surge": 1,
    "max_unavailable": 0,
    "min_ready_s": 5,
    "pre_stop_s": 5,
    "grace_s": 30,
    "progress_deadline_s": 60,
    "readiness_probe": {"period_seconds": 2, "timeout_seconds": 1, "failure_threshold": 3},
    "desired_healthy": 3,
    "node_monitor_grace_s": 50.0,
    "toleration_s": 300,
}
NAMES = loader.names(content.folder("scenarios"))


def scenario(name: str) -> Scenario:
    return loader.load(content.folder("scenarios"), name).scenario


def variant(of: str, name: str = "careless") -> Variant:
    return next(each for each in scenario(of).variants if each.name == name)


def first_line(of: Scenario, facts: Facts, **told: Any) -> Event:
    return {"kind": "run", "t": 0, "load": of.load.to_json(), "facts": facts, **told}


def foreseen(of: str, name: str = "careless", **facts: Any) -> Forecast:
    found = foresee(variant(of, name), first_line(scenario(of), {**SIX_NODES, **facts}))
    assert found is not None
    return found


def beside(history: History, of: Variant, **more: Any) -> tuple[Forecast, int]:
    """Return what is foreseen with the history's load, and how many requests failed in it."""
    run = history.first("run")
    assert run is not None
    told = {"facts": {**SIX_NODES, **run["facts"], **more.pop("facts", {})}, **more}
    found = foresee(of, {**run, **told})
    assert found is not None
    return found, sum(each["outcome"] != "ok" for each in history.of("request"))


@pytest.mark.parametrize("name", NAMES)
def test_every_careless_and_careful_variant_foresees_something(name: str):
    for each in (scenario(name).careless, scenario(name).careful):
        found = foresee(each, first_line(scenario(name), SIX_NODES))

        assert found is not None
        assert found.source
        # As it is written into a history, and read again by whoever draws it.
        assert Forecast.from_json(found.to_json()) == found
        assert found.points[0][0] <= 0
        assert found.points[-1][1] == 0
        assert all(abs(second) < inf for second, _ in found.points)


@pytest.mark.parametrize("name", NAMES)
def test_where_nothing_is_told_nothing_is_foreseen_but_that_nobody_fails(name: str):
    for each in scenario(name).variants:
        for run in ({"load": {}, "facts": {}}, {"load": None, "facts": None}):
            found = foresee(each, run)

            assert found is None or found.points == ((0.0, 0.0),)


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("boot-race-double-apply", "max_surge"),
        ("drain-vs-pdb", "desired_healthy"),
        ("ghost-pod-contract", "node_monitor_grace_s"),
        ("ghost-pod-contract", "toleration_s"),
        ("ghost-pod-contract", "grace_s"),
        ("half-migrated-rename", "min_ready_s"),
        ("hook-poisoned-rollback", "progress_deadline_s"),
        ("hook-poisoned-rollback", "readiness_probe"),
        ("not-null-default-dropped", "pre_stop_s"),
        ("shallow-ready-bad-config", "replicas"),
        ("shared-dep-readiness", "readiness_probe"),
        ("undo-into-the-wall", "min_ready_s"),
        ("unordered-apply", "min_ready_s"),
    ],
)
def test_without_a_fact_that_it_is_drawn_from_there_is_no_forecast(name: str, needed: str):
    facts = {each: value for each, value in SIX_NODES.items() if each != needed}

    assert foresee(variant(name), first_line(scenario(name), SIX_NODES)) is not None
    assert foresee(variant(name), first_line(scenario(name), facts)) is None


def test_a_rename_fails_who_meets_old_pods():
    truth = histories.careless(histories.half_migrated_rename())

    found, failed = beside(
        truth.history(), truth.variant, facts={"min_ready_s": 4, "pre_stop_s": 6}
    )

    assert found.total == pytest.approx(failed, rel=0.1)


def test_a_dropped_default_fails_posts_that_meet_old_pods():
    found, failed = beside(
        notnull.CARELESS.history(),
        notnull.CARELESS.variant,
        facts={"min_ready_s": 4, "pre_stop_s": 6},
    )

    assert found.total == pytest.approx(failed, rel=0.15)
    # One request in five creates a chirp, and nothing else fails.
    assert max(rate for _, rate in found.points) == pytest.approx(80 / 5)


def test_a_wrong_password_fails_who_meets_new_pods_until_it_is_taken_back():
    steps = {"secret": 7.0, "take it back": shallow.UNDO}
    truth = Told(
        shallow.SCENARIO,
        shallow.SCENARIO.careless,
        shallow.replaced(),
        shallow.wrong_password,
        versions=(),
        steps=steps,
        run_s=7.0,
        verify_s=60,
        rate=80,
    )

    # Each of these pods takes two seconds, as processes do.
    facts = {"min_ready_s": 1, "pre_stop_s": 1}
    found, failed = beside(
        truth.history(), shallow.SCENARIO.careless, facts=facts, distribution="processes"
    )

    assert found.total == pytest.approx(failed, rel=0.1)
    assert max(rate for _, rate in found.points) == pytest.approx(80 * 54 / 60)


class GoneOnWith(wall.Undone):
    """As a controller does it: with `resume` the next old pod goes, and two have to come back."""

    def pods(self) -> list[Pod]:
        old = [Pod("old-0", "v1", -10, 18, 24), Pod("old-1", "v1", -10, 28, 34)]
        old += [Pod(f"old-{n}", "v1", -10, NEVER, NEVER) for n in (2, 3)]
        back = [Pod(f"back-{n}", "v1", ready, NEVER, NEVER) for n, ready in ((0, 31.0), (1, 38.0))]
        new = [Pod("new-0", self.new, 14, 42, 48), Pod("new-1", self.new, 21, 35, 41)]
        return [*old, *back, *new]

    @property
    def verify_s(self) -> float:
        return 85.0


def test_an_undo_into_the_wall_fails_more_after_it_than_before():
    end = 60.2
    truth = GoneOnWith(
        wall.SCENARIO,
        wall.SCENARIO.careless,
        "v2-naive",
        wall.OLD_CODE_FAILS,
        versions=((6, wall.RENAMED_S), (7, end)),
        rate=80,
        until_s=end,
    )

    found, failed = beside(
        truth.history(), truth.variant, facts={"min_ready_s": 4, "pre_stop_s": 6}
    )

    assert found.total == pytest.approx(failed, rel=0.05)
    asked = 80 * 48 / 60
    # While it is paused three of five are old, and kept connections stay with them for longer.
    assert asked * 3 / 5 < found.at(20) < asked * 3 / 4
    assert found.at(end - truth.baseline_ends_s - 5) == pytest.approx(asked)


def test_an_undo_that_is_no_wall_fails_the_bug_only():
    found = foreseen("undo-into-the-wall", "careful")

    # Of 12 posts a second one in five fails, of those that meet about half of the pods.
    assert 0 < max(rate for _, rate in found.points) < 12 / 5 * 0.6
    assert found.points[-1][0] < foreseen("undo-into-the-wall").points[-1][0]


def test_new_pods_before_their_schema_fail_until_the_commit():
    later, commit = 12.0, 53.7

    def fails(at: float, release: str, endpoint: str) -> str | None:
        is_early = at < commit and release == "v2" and endpoint in CHIRP_ENDPOINTS
        return "42703" if is_early else None

    truth = Told(
        unordered.SCENARIO,
        unordered.SCENARIO.careless,
        unordered.serving_at_once("v2"),
        fails,
        versions=((6, commit),),
        steps={"migrate": later},
        verify_s=80,
    )

    # One of these is ready three seconds after the first fault, and the next every four.
    facts = {"min_ready_s": 1, "pre_stop_s": 4}
    found, failed = beside(truth.history(), unordered.SCENARIO.careless, facts=facts)

    assert found.total == pytest.approx(failed, rel=0.05)
    assert found.points[-1][0] == pytest.approx(commit - truth.run_s, abs=0.5)


def test_on_a_first_install_nobody_is_served_until_the_backoff_ends():
    backs_off = foreseen("unordered-apply", "fresh-exit", replicas=0)
    waits = foreseen("unordered-apply", "fresh-wait", replicas=0)

    assert backs_off.at(-1) == waits.at(-1) == 60
    # Tried about 34 and 75 s after the apply, and the Job is done after 47.
    assert waits.points[-1][0] == pytest.approx(50, abs=2)
    assert backs_off.points[-1][0] == pytest.approx(78, abs=3)
    assert foreseen("unordered-apply", "careless-exit").total == 0
    # Traffic runs for ten seconds before anything is done, and on the twin for five.
    assert backs_off.points[0] == (-10, 60)
    assert foreseen("unordered-apply", "fresh-exit", baseline_s=5).points[0] == (-5, 60)


def test_a_strict_check_takes_everybody_out_until_pods_ask_for_less():
    truth = Told(
        hook.SCENARIO,
        hook.SCENARIO.careless,
        hook.taken_out(),
        versions=((6, hook.COMMIT),),
        steps=hook.STEPS,
        overdue_s=49.0,
        verify_s=hook.END,
        run_s=7.0,
    )

    probe = {"period_seconds": 0.5, "timeout_seconds": 1, "failure_threshold": 3}
    facts = {"progress_deadline_s": 31, "readiness_probe": probe}
    found, failed = beside(truth.history(), hook.SCENARIO.careless, facts=facts)

    assert found.total == pytest.approx(failed, rel=0.1)
    # Connections that exist stay with their pods, and are served.
    assert max(rate for _, rate in found.points) == pytest.approx(40 * 0.75)


def test_a_site_stands_still_until_clients_can_outwait_the_rest():
    truth = queue.careless(
        waits=((11.2, 27.0),), evaluation=(7.0, 27.0), versions=((6, 27.0),), drain_s=0.3
    )

    found, failed = beside(truth.history(), truth.variant)

    assert found.total == pytest.approx(failed, rel=0.1)
    assert max(rate for _, rate in found.points) == pytest.approx(60 * 54 / 60)


def test_a_longer_patience_of_clients_ends_the_stall_sooner():
    line = first_line(scenario("lock-queue"), SIX_NODES)
    patient = {**line, "load": {**line["load"], "total_timeout_s": 5}}
    careless, careful = variant("lock-queue"), variant("lock-queue", "careful")

    usual, shorter = foresee(careless, line), foresee(careless, patient)

    assert usual is not None
    assert shorter is not None
    assert shorter.points[-1][0] == usual.points[-1][0] - 2
    # A lock that is waited for longer than clients wait is another forecast.
    hasty = {**line, "load": {**line["load"], "total_timeout_s": 1}}
    assert foresee(careful, hasty) is None


def test_an_outage_of_the_database_takes_the_page_with_it_where_the_probe_asks_for_it():
    def truth(name: str, *, leave: bool) -> tuple[Forecast, int]:
        told = Told(
            shared.SCENARIO,
            variant("shared-dep-readiness", name),
            shared.leaving() if leave else shared.four("v1"),
            shared.away(),
            versions=(),
            steps=shared.STEPS,
            facts=shared.FACTS,
            verify_s=shared.END,
            rate=80,
            run_s=shared.LOST - 1,
        )
        return beside(told.history(), told.variant)

    for name, leave in (("careless", True), ("careful", False)):
        found, failed = truth(name, leave=leave)
        assert found.total == pytest.approx(failed, rel=0.1)


def test_the_careful_outage_spares_who_needs_no_database():
    careless, careful = (foreseen("shared-dep-readiness", n) for n in ("careless", "careful"))

    assert careless.at(1) == careful.at(1) == careful.at(15) == 54
    # All new connections, and of the kept ones those that need the database.
    assert careless.at(15) == 45 + 0.25 * 54


@pytest.mark.parametrize("timers", [(20, 30), (50, 300)])
def test_ghosts_are_seen_by_nobody_and_the_column_is_dropped_when_timers_are_over(
    timers: tuple[int, int],
):
    stage = NodesStage(FakeTime(), grace_s=timers[0], toleration_s=timers[1])
    of = scenario("ghost-pod-contract")
    history = play(of, of.careless, stage)
    faults = [each for each in history.of("fault") if each["what"] == "requested"]
    contract = (faults[-1]["t"] - faults[0]["t"]) / NS

    found, failed = beside(history, of.careless)

    assert found.total == failed == 0
    assert found.points[-1][0] == pytest.approx(contract, abs=10)
    assert f"after {sum(timers)} s" in found.source


def test_a_budget_without_spare_refuses_as_long_as_somebody_asks_and_nobody_notices():
    stage = NodesStage(FakeTime())
    of = scenario("drain-vs-pdb")

    found, failed = beside(play(of, of.careless, stage), of.careless)

    assert found.total == failed == 0
    assert "4 healthy pods - 4 that the budget wants = 0 that may go" in found.source
    assert found.points[-1][0] == 45
    assert "= 1 that may go" in foreseen("drain-vs-pdb", "careful").source
    assert foreseen("drain-vs-pdb", "careful").points == ((0.0, 0.0),)


def test_a_race_at_boot_damages_the_data_and_fails_nobody():
    found = foreseen("boot-race-double-apply", max_surge=2)

    assert found.total == 0
    assert "2 pods migrate at a time" in found.source
    assert found.points[-1][0] < foreseen("boot-race-double-apply", max_surge=1).points[-1][0]


@pytest.mark.parametrize(
    ("name", "changed", "later_s"),
    [
        ("half-migrated-rename", {"min_ready_s": 6}, 4),
        ("half-migrated-rename", {"replicas": 5}, 8),
        ("not-null-default-dropped", {"pre_stop_s": 7}, 2),
        ("shallow-ready-bad-config", {"min_ready_s": 6}, 8),
        ("hook-poisoned-rollback", {"progress_deadline_s": 70}, 10),
        ("ghost-pod-contract", {"node_monitor_grace_s": 60}, 10),
        ("ghost-pod-contract", {"toleration_s": 310}, 10),
        ("ghost-pod-contract", {"grace_s": 40}, 10),
    ],
)
def test_a_timer_that_is_set_otherwise_moves_the_end_of_the_line(
    name: str, changed: Facts, later_s: float
):
    end = foreseen(name, **changed).points[-1][0]

    assert end - foreseen(name).points[-1][0] == pytest.approx(later_s, abs=0.01)


@pytest.mark.parametrize("name", ["hook-poisoned-rollback", "shared-dep-readiness"])
def test_a_slower_probe_keeps_pods_in_for_longer(name: str):
    slower = {"period_seconds": 3, "timeout_seconds": 1, "failure_threshold": 3}

    most = max(rate for _, rate in foreseen(name).points)
    out, out_later = (
        next(second for second, rate in each.points if rate == most)
        for each in (foreseen(name), foreseen(name, readiness_probe=slower))
    )

    assert out_later - out == pytest.approx(3)


def test_a_probe_that_was_only_set_otherwise_is_told_as_well():
    facts = {each: value for each, value in SIX_NODES.items() if each != "readiness_probe"}
    line = first_line(scenario("shared-dep-readiness"), {**facts, **shared.FACTS})

    assert foresee(variant("shared-dep-readiness"), line) == foreseen("shared-dep-readiness")


def test_a_longer_hold_of_new_pods_lets_fewer_of_them_fail_before_the_commit():
    slow, quick = (foreseen("unordered-apply", min_ready_s=s).total for s in (10, 1))

    assert slow < quick


@pytest.mark.parametrize("name", NAMES)
def test_a_control_foresees_that_nobody_fails_or_only_what_is_its_own(name: str):
    found = foresee(variant(name, "control"), first_line(scenario(name), SIX_NODES))

    assert found is not None
    assert found.total < 100
