from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import LabError
from lab.journal import Journal
from lab.paths import Caller


def make(path: Path, *, boot_id: str = "boot-1") -> Journal:
    return Journal(path, owner=Caller(0, 0, Path("/")), boot_id=boot_id)


def test_changes_come_back_newest_first(tmp_path: Path) -> None:
    journal = make(tmp_path / "journal")

    for what in ("first", "second", "third"):
        journal.intend("network", what)

    assert [change.what for change in journal.open_changes()] == ["third", "second", "first"]


def test_an_undone_change_is_no_longer_open(tmp_path: Path) -> None:
    journal = make(tmp_path / "journal")
    kept = journal.intend("network", "kept")

    journal.undone(journal.intend("machine", "n1"))

    assert journal.open_changes() == [kept]


def test_another_process_reads_what_was_intended(tmp_path: Path) -> None:
    change = make(tmp_path / "journal").intend("sysctl", "kernel.panic", before="0")

    assert make(tmp_path / "journal").open_changes() == [change]


def test_intending_the_same_thing_again_adds_nothing(tmp_path: Path) -> None:
    journal = make(tmp_path / "journal")
    first = journal.intend_once("machine", "n1")

    assert journal.intend_once("machine", "n1") == first
    assert len(journal.open_changes()) == 1


def test_after_a_reboot_the_same_thing_is_a_new_change(tmp_path: Path) -> None:
    make(tmp_path / "journal").intend_once("machine", "n1")

    make(tmp_path / "journal", boot_id="boot-2").intend_once("machine", "n1")

    assert len(make(tmp_path / "journal").open_changes()) == 2


@given(cut=st.integers(min_value=1, max_value=60))
def test_a_line_cut_short_by_a_crash_was_never_written(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    journal = make(path)
    journal.intend("network", "whole")
    whole = path.stat().st_size
    journal.intend("machine", "cut")
    path.write_bytes(path.read_bytes()[: max(whole, path.stat().st_size - cut)])

    journal.intend("machine", "after")

    assert [change.what for change in journal.open_changes()] == ["after", "whole"]


@pytest.mark.parametrize("line", ["{broken", "[]", '{"undone": 7}', '{"change": {"seq": 1}}'])
def test_damage_in_the_middle_is_named_and_not_skipped(tmp_path: Path, line: str) -> None:
    path = tmp_path / "journal"
    journal = make(path)
    journal.intend("network", "one")
    path.write_text(f"{line}\n" + path.read_text())

    with pytest.raises(LabError, match="line 1 of the journal"):
        journal.open_changes()
