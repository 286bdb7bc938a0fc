"""What a run that was cut short left: the journal's entry asks the same as the fault's recovery."""

import inspect
import os
from pathlib import Path

import pytest

import lab.faults
from lab.errors import LabError
from lab.faults import (
    Ask,
    DeletePod,
    Drain,
    HoldSession,
    Isolate,
    Migrate,
    Pause,
    PowerOff,
    PowerOn,
    Rejoin,
    Resume,
    RightSecret,
    RunSql,
    Scale,
    SetImage,
    SetStrategy,
    StartAgent,
    StartDatabase,
    StopAgent,
    StopDatabase,
    TerminateBackends,
    Undo,
    WrongSecret,
)
from lab.journal import Journal
from lab.paths import Caller
from lab.scenario.stage import Fault
from lab.stages.heal import heal
from tests.faults.lines import Recorder, recovered

FAULTS: tuple[Fault, ...] = (
    DeletePod("n4"),
    Drain("n4"),
    HoldSession("report", "SELECT 1"),
    Isolate("n4"),
    Isolate("database"),
    Migrate("t", 6, "v2"),
    Migrate("t", None, "v2", crash="6:1:after", attempt=2),
    Pause(),
    PowerOff("n4"),
    PowerOn("n4"),
    Rejoin("n4"),
    Resume(),
    RightSecret("v2"),
    RunSql("fix", "SELECT 1"),
    RunSql("fix", "SELECT 1", "SELECT 2"),
    Scale(0, previous=4),
    SetImage("v2"),
    SetImage("v2", "v1", {"CHIRPS_GATE": "wait"}, {"CHIRPS_GATE": "off"}),
    SetStrategy("100%", 0),
    SetStrategy(1, 0, previous=("25%", "25%")),
    StartAgent("n4"),
    StartDatabase(),
    StopAgent("n4"),
    StopDatabase(),
    TerminateBackends("chirps/"),
    Ask(("can-i-contract",)),
    Undo("v1"),
    WrongSecret("v2"),
)


def test_every_fault_there_is_is_among_them():
    there_are = {
        each
        for name in lab.faults.__all__
        if inspect.isclass(each := getattr(lab.faults, name)) and not name.startswith("Can")
    }

    assert {type(fault) for fault in FAULTS} == there_are


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_healing_from_the_disk_asks_what_recovering_asks(fault: Fault, tmp_path: Path):
    owner = Caller(os.geteuid(), os.getegid(), tmp_path)
    journal = Journal(tmp_path / "faults.jsonl", owner=owner, boot_id="b")
    journal.intend("fault", fault.name, **fault.undo())
    (left,) = Journal(tmp_path / "faults.jsonl", owner=owner, boot_id="b").open_changes()
    stage = Recorder()

    heal(left.undo, stage)  # type: ignore[arg-type]

    assert stage.asked == recovered(fault)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_says_what_it_does(fault: Fault):
    assert fault.describe()
    assert fault.name


@pytest.mark.parametrize("undo", [{}, {"explode": "n4"}, {"scale": "four"}, {"resume": False}])
def test_an_entry_that_no_fault_writes_is_refused(undo: dict[str, object]):
    with pytest.raises(LabError, match="cannot take back"):
        heal(undo, Recorder())  # type: ignore[arg-type]
