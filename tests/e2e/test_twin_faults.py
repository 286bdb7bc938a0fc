"""Each fault that a twin can show, on a real one: its effect is seen, and taken back."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.faults import (
    HoldSession,
    Migrate,
    Pause,
    Resume,
    RightSecret,
    RunSql,
    Scale,
    SetImage,
    SetStrategy,
    StartDatabase,
    StopDatabase,
    TerminateBackends,
    Undo,
    WrongSecret,
)
from lab.paths import find_paths
from lab.progress import Silent
from lab.stages import twin
from tests.e2e.rehearsal import Rehearsal

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("faults"), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def ground() -> Iterator[twin.TwinGround]:
    # The cache of the user: the start state is made once, and then copied.
    with twin.enter(find_paths(os.environ), Silent()) as entered:
        yield entered


@pytest.fixture
def rehearsal(ground: twin.TwinGround) -> Iterator[Any]:
    stage, _ = ground.prepare()
    begun = Rehearsal.begin(stage, "faults")
    yield begun
    begun.close()


def deployment(rehearsal: Rehearsal) -> Any:
    return rehearsal.history.last("deployment")


def applications(rehearsal: Rehearsal) -> set[str]:
    """Return whose sessions the latest sample of the database has."""
    return {each["application"] for each in rehearsal.history.of("db")[-1]["sessions"]}


def test_a_rollout_is_paused_refuses_its_undo_goes_on_and_is_taken_back(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.inject(SetStrategy(2, 1))
    rehearsal.inject(SetImage("v1b"))
    rehearsal.inject(Pause())
    rehearsal.inject(Undo("v1", refused=True))
    rehearsal.inject(Resume())

    rehearsal.inject(Undo("v1"))

    assert rehearsal.wait(
        lambda: deployment(rehearsal)["updated"] == deployment(rehearsal)["available"] == 4,
        within_s=60,
    )
    assert deployment(rehearsal)["release"] == "v1"
    assert rehearsal.serves()


def test_a_strategy_lets_all_new_pods_start_at_once(rehearsal: Rehearsal) -> None:
    rehearsal.inject(SetStrategy("100%", 0))
    rehearsal.inject(SetImage("v1b"))

    assert rehearsal.wait(lambda: deployment(rehearsal)["replicas"] == 8, within_s=20)


def test_the_service_is_scaled_and_scaled_back(rehearsal: Rehearsal) -> None:
    fault = Scale(2, previous=4)

    rehearsal.inject(fault)
    rehearsal.recover(fault)

    assert rehearsal.wait(lambda: deployment(rehearsal)["available"] == 4, within_s=60)


def test_a_session_that_is_held_blocks_a_migration_until_it_is_ended(rehearsal: Rehearsal) -> None:
    held = HoldSession("report", "SELECT count(*) FROM chirps")
    waiting = Migrate(
        "rename-careless",
        6,
        "v2-naive",
        options=("--lock-timeout", "1", "--retries", "0"),
        may_fail=True,
    )
    rehearsal.inject(held)

    rehearsal.inject(waiting)

    assert rehearsal.history.last("job")["failed"] == 1  # type: ignore[index]
    rehearsal.recover(held)
    rehearsal.inject(Migrate("rename-careless", 6, "v2-naive", attempt=2))


def test_an_idle_session_is_ended_by_somebody_else(rehearsal: Rehearsal) -> None:
    held = HoldSession("forgotten", "SELECT 1", idle_in_transaction=True)

    rehearsal.inject(held)
    rehearsal.inject(TerminateBackends("analyst/"))

    assert rehearsal.wait(lambda: held.application not in applications(rehearsal), within_s=10)
    rehearsal.recover(held)


def test_a_migrator_dies_where_it_was_told_to(rehearsal: Rehearsal) -> None:
    rehearsal.inject(Migrate("rename-careless", 6, "v2-naive", crash="6:1:after"))

    assert rehearsal.history.last("job")["failed"] == 1  # type: ignore[index]
    assert rehearsal.history.last("schema")["version"] == 5  # type: ignore[index]


def test_statements_by_hand_are_taken_back(rehearsal: Rehearsal) -> None:
    rename = RunSql(
        "rename",
        "ALTER TABLE chirps RENAME body TO text",
        "DO $$ BEGIN ALTER TABLE chirps RENAME text TO body;"
        " EXCEPTION WHEN undefined_column THEN NULL; END $$",
    )

    rehearsal.inject(rename)
    assert rehearsal.wait(
        lambda: any(e["sqlstate"] == "42703" for e in rehearsal.history.of("request")), within_s=10
    )
    rehearsal.recover(rename)

    assert rehearsal.serves()


def test_a_database_is_stopped_and_found_again_where_it_was(rehearsal: Rehearsal) -> None:
    stop = StopDatabase()

    rehearsal.inject(stop)
    rehearsal.recover(stop)

    assert rehearsal.answers()
    assert rehearsal.serves()


def test_a_database_is_started_within_a_timeline(rehearsal: Rehearsal) -> None:
    rehearsal.inject(StopDatabase())

    rehearsal.inject(StartDatabase())

    assert rehearsal.serves()


def test_a_wrong_password_keeps_new_pods_from_the_database(rehearsal: Rehearsal) -> None:
    wrong = WrongSecret("v1b")
    rehearsal.inject(wrong)
    rehearsal.inject(SetImage("v1b"))

    assert not rehearsal.wait(lambda: deployment(rehearsal)["updated"] == 4, within_s=8)
    rehearsal.inject(RightSecret("v1b"))
    rehearsal.recover(wrong)

    assert rehearsal.wait(
        lambda: deployment(rehearsal)["updated"] == deployment(rehearsal)["available"] == 4,
        within_s=90,
    )


def test_what_a_variant_left_is_mended_for_the_next(ground: twin.TwinGround) -> None:
    """As when its recovery failed: nobody starts the database, nobody restores the password."""
    stage, _ = ground.prepare()
    first: Any = Rehearsal.begin(stage, "left")
    first.inject(WrongSecret("v1"))
    first.inject(StopDatabase())
    first.close()

    stage, _ = ground.prepare()
    second: Any = Rehearsal.begin(stage, "mended")

    assert second.serves()
    second.close()


def test_nothing_of_it_is_left_beside_the_passwords(ground: twin.TwinGround) -> None:
    passwords: Path = ground.machine.workplace.directory("passwords")

    assert [path.name for path in passwords.glob("*.right")] == []
