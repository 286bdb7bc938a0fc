"""What is looked at: the newest run, and how long it has been silent."""

from pathlib import Path

import pytest

from lab.errors import InvalidValue
from lab.live.looking import LookOn
from lab.paths import find_caller
from lab.store import Store
from tests.report import judged, synthetic


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, owner=find_caller())


def test_without_a_run_it_says_that_it_waits(store: Store):
    assert LookOn(store, now=lambda: 0.0).frame()["waiting"].startswith("no run yet")


def test_it_turns_to_a_run_that_begins(store: Store, tmp_path: Path):
    time = [0.0]
    look = LookOn(store, now=lambda: time[0])
    look.frame()
    judged.write_run(tmp_path / "half-migrated-rename")
    time[0] = 2.0

    assert look.frame()["run"]["scenario"] == "half-migrated-rename"
    judged.write_run(tmp_path / "half-migrated-rename", name="20261126T013000Z")
    time[0] = 4.0
    assert look.frame()["run"]["run"] == "20261126T013000Z"


def test_a_run_that_is_silent_is_said_to_be_and_one_that_is_over_is_not(store: Store, tmp_path):
    directory = judged.write_run(tmp_path / "half-migrated-rename", synthetic.CARELESS)
    time = [0.0]
    look = LookOn(store, now=lambda: time[0])
    look.frame()
    time[0] = 30.0
    assert look.frame()["silent_s"] == 0
    (directory / "careless" / "verdict.json").unlink()
    look.frame()
    time[0] = 60.0
    assert look.frame()["silent_s"] == 30


def test_a_run_that_goes_on_takes_no_orders(store: Store):
    with pytest.raises(InvalidValue):
        LookOn(store).act("step", None)


def test_a_run_that_has_nothing_yet_is_waited_for(store: Store, tmp_path: Path):
    folder = tmp_path / "half-migrated-rename"
    judged.write_run(folder)
    time = [0.0]
    look = LookOn(store, now=lambda: time[0])
    assert look.frame()["variants"]
    judged.begin_run(folder, name="20261126T013000Z")
    time[0] = 2.0

    shown = look.frame()

    assert shown["run"]["run"] == "20261126T013000Z"
    assert shown["waiting"] == "waiting for the run to begin"
    assert shown["variants"] == []
    time[0] = 32.0
    assert look.frame()["silent_s"] == 30
