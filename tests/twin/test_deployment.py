"""A Deployment's rules, on fake time."""

import pytest

from lab.errors import InvalidValue
from lab.twin.deployment import RolloutRefused
from lab.twin.spec import Template, read_spec, resolve
from tests.twin.play import GOOD, Play, make

DEFAULTS = {
    "max_surge": "25%",
    "max_unavailable": "25%",
    "min_ready_seconds": 0,
    "progress_deadline_seconds": 600,
}


def running(release: str = "v1", **profile: object) -> Play:
    play = make(release, **profile)
    play.run(30)
    assert play.releases(ready=True) == [release] * play.deployment.spec.replicas
    return play


def roll_out(play: Play, release: str) -> None:
    play.deployment = play.deployment.set_image(release)


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable"), [(4, 1, 1), (6, 2, 1), (10, 3, 2), (1, 1, 0)]
)
def test_surge_is_rounded_up_and_unavailable_down(
    replicas: int, surge: int, unavailable: int
) -> None:
    assert resolve("25%", "25%", replicas) == (surge, unavailable)


def test_percentages_that_both_round_to_nothing_leave_one_unavailable() -> None:
    assert resolve(0, "10%", 4) == (0, 1)


def test_all_mistakes_of_a_profile_are_told_at_once() -> None:
    wrong = {**GOOD, "replicas": -1, "max_surge": 0, "readiness_probe": {"period_seconds": 0}}

    with pytest.raises(InvalidValue) as caught:
        read_spec(wrong, Template("v1"))

    said = caught.value.message
    assert all(part in said for part in ("replicas", "must not both be 0", "period_seconds"))


def test_a_new_deployment_makes_all_its_pods_at_once() -> None:
    play = make()

    play.settle()

    assert len(play.active) == 4
    assert play.deployment.progressing is not None
    assert play.deployment.progressing.reason == "ReplicaSetUpdated"


def test_with_a_surge_of_one_pods_are_replaced_one_at_a_time() -> None:
    play = running()
    roll_out(play, "v2")

    play.run(play.now + 100)

    assert play.releases(ready=True) == ["v2"] * 4
    assert play.deployment.is_complete
    rollout = [counts for counts in play.counts if counts[0] >= 30]
    assert max(total for _, total, _ in rollout) == 5
    assert min(available for _, _, available in rollout) == 4


def test_a_rollout_takes_a_start_and_the_time_to_be_available_for_each_pod() -> None:
    play = running()
    roll_out(play, "v2")

    play.run(30 + 4 * 9 - 0.1)
    assert not play.deployment.is_complete
    play.run(30 + 4 * 9)
    assert play.deployment.is_complete


@pytest.mark.parametrize(
    ("replicas", "strategy", "old", "new"),
    [(4, DEFAULTS, 3, 2), (6, DEFAULTS, 5, 3), (4, {}, 4, 1)],
)
def test_a_release_that_never_gets_ready_stops_the_rollout(
    replicas: int, strategy: dict[str, object], old: int, new: int
) -> None:
    play = running(replicas=replicas, **strategy)
    play.never_ready = {"v2"}
    roll_out(play, "v2")

    play.run(play.now + 2000)

    assert play.releases() == ["v1"] * old + ["v2"] * new
    assert play.releases(ready=True) == ["v1"] * old


def test_the_progress_deadline_reports_and_does_nothing() -> None:
    play = running()
    play.never_ready = {"v2"}
    roll_out(play, "v2")

    play.run(30 + 60)
    assert play.deployment.progressing is not None
    assert play.deployment.progressing.status == "True"
    play.run(30 + 61)

    assert play.deployment.progressing.status == "False"
    assert play.deployment.progressing.reason == "ProgressDeadlineExceeded"
    assert play.releases() == ["v1"] * 4 + ["v2"]


def test_a_rollout_that_was_overdue_and_completes_says_so() -> None:
    play = running()
    play.never_ready = {"v2"}
    roll_out(play, "v2")
    play.run(200)
    play.never_ready = set()

    play.run(300)

    assert play.deployment.is_complete
    assert play.deployment.progressing is not None
    assert play.deployment.progressing.reason == "NewReplicaSetAvailable"


def test_undo_brings_the_older_template_back_under_a_new_revision() -> None:
    play = running()
    roll_out(play, "v2")
    play.run(100)
    old = play.deployment.sets[0]

    play.deployment = play.deployment.undo()
    play.run(200)

    assert play.releases(ready=True) == ["v1"] * 4
    assert play.deployment.newest is not None
    assert (play.deployment.newest.name, play.deployment.newest.revision) == (old.name, 3)


def test_undo_takes_the_pods_that_never_got_ready_first() -> None:
    play = running(replicas=6, **DEFAULTS)
    play.never_ready = {"v2"}
    roll_out(play, "v2")
    play.run(100)
    assert play.releases() == ["v1"] * 5 + ["v2"] * 3

    play.deployment = play.deployment.undo()
    play.settle()

    assert play.releases() == ["v1"] * 6


def test_undo_of_a_paused_deployment_is_refused() -> None:
    play = running()
    roll_out(play, "v2")
    play.run(40)
    play.deployment = play.deployment.pause()

    with pytest.raises(RolloutRefused, match="resume it first"):
        play.deployment.undo()


def test_undo_without_an_older_template_is_refused() -> None:
    with pytest.raises(RolloutRefused, match="no rollout history"):
        running().deployment.undo()


def test_a_pause_stops_a_rollout_where_it_is() -> None:
    play = running()
    roll_out(play, "v2")
    play.run(40)
    before = play.releases()
    play.deployment = play.deployment.pause()

    play.run(500)

    assert play.releases() == before
    assert play.deployment.progressing is not None
    assert play.deployment.progressing.reason == "DeploymentPaused"
    play.deployment = play.deployment.resume()
    play.run(600)
    assert play.releases(ready=True) == ["v2"] * 4


def test_a_third_release_in_the_middle_replaces_both() -> None:
    play = running()
    play.never_ready = {"v2"}
    roll_out(play, "v2")
    play.run(50)
    roll_out(play, "v3")

    play.settle()
    assert play.releases() == ["v1"] * 4 + ["v3"]
    play.run(200)

    assert play.releases(ready=True) == ["v3"] * 4


def test_the_same_image_again_is_no_new_revision() -> None:
    play = running()
    generation = play.deployment.generation

    roll_out(play, "v1")

    assert play.deployment.generation == generation


def test_a_change_of_a_policy_is_a_rollout() -> None:
    play = running()
    play.deployment = play.deployment.set_image("v1", (("CHIRPS_GATE", "refuse"),))

    play.run(100)

    assert len(play.deployment.sets) == 2
    assert play.deployment.is_complete


def test_scaling_in_the_middle_gives_the_broken_release_its_share() -> None:
    """The example of the documentation: 10 pods with 3 and 2, stuck at 8 and 5, scaled to 15."""
    play = running(replicas=10, max_surge=3, max_unavailable=2)
    play.never_ready = {"v2"}
    roll_out(play, "v2")
    play.run(50)
    assert play.releases() == ["v1"] * 8 + ["v2"] * 5

    play.deployment = play.deployment.scale(15)
    play.settle()

    assert play.releases() == ["v1"] * 11 + ["v2"] * 7


def test_scaling_to_nothing_ends_every_pod() -> None:
    play = running()
    roll_out(play, "v2")
    play.run(40)

    play.deployment = play.deployment.scale(0)
    play.settle()

    assert play.active == []


def test_a_pod_that_terminates_is_not_counted() -> None:
    play = running()
    play.grace_s = 1000
    roll_out(play, "v2")

    play.run(200)

    assert play.deployment.is_complete
    assert play.deployment.status.replicas == 4
    assert len(play.pods) == 8


def test_a_pod_that_was_deleted_is_replaced() -> None:
    play = running()

    play.end(play.active[0].name)
    play.settle()

    assert len(play.active) == 4
    assert play.deployment.status.ready == 3


def test_fewer_available_pods_than_a_rollout_may_leave_is_said() -> None:
    play = running()
    play.set_ready(play.active[0].name, ready=False)

    play.settle()

    assert play.deployment.available is not None
    assert play.deployment.available.status == "False"
    assert play.deployment.available.reason == "MinimumReplicasUnavailable"


def test_old_pods_that_fail_are_kept_while_new_ones_take_up_the_room() -> None:
    """The controller's own example: 10 pods with 3 and 2, all of the new release broken."""
    play = running(replicas=10, max_surge=3, max_unavailable=2)
    play.never_ready = {"v2"}
    roll_out(play, "v2")
    play.run(50)
    old = next(pod for pod in play.active if play.release_of(pod) == "v1")

    play.set_ready(old.name, ready=False)
    play.settle()
    assert play.releases() == ["v1"] * 8 + ["v2"] * 5

    play.deployment = play.deployment.undo()
    play.settle()
    assert play.releases() == ["v1"] * 10 + ["v2"]
    play.run(100)
    assert play.releases(ready=True) == ["v1"] * 10


def test_a_strategy_that_is_set_holds_for_the_rollout_under_way() -> None:
    play = running()
    play.deployment = play.deployment.set_strategy({"max_surge": "100%", "max_unavailable": 0})

    roll_out(play, "v2")
    play.settle()

    assert len(play.active) == 8
    assert play.deployment.spec.max_surge == 4


def test_a_strategy_is_no_new_revision() -> None:
    play = running()
    before = len(play.deployment.sets)

    play.deployment = play.deployment.set_strategy({"max_surge": 2, "max_unavailable": 1})
    play.settle()

    assert len(play.deployment.sets) == before


@pytest.mark.parametrize("told", [{"max_surge": 0, "max_unavailable": 0}, {"max_surge": "some"}])
def test_a_strategy_that_could_never_move_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(InvalidValue, match="the strategy has mistakes"):
        running().deployment.set_strategy(told)
