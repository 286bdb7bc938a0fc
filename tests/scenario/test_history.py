"""The history: what is written is read back, and damage is told, not forgiven."""

import errno
import json
import os
from pathlib import Path

import pytest

from lab.errors import HistoryDamaged, NoSpace
from lab.scenario.history import History, Recorder

NOTE = {"kind": "note", "t": 1, "text": "one"}


def written(path: Path, *events: object) -> Path:
    with Recorder(path) as recorder:
        recorder.append(events)
    return path


def test_what_is_recorded_is_read_back_in_order(tmp_path: Path):
    later = {**NOTE, "text": "two"}

    history = History.read(written(tmp_path / "h", NOTE, later))

    assert list(history.of("note")) == [NOTE, later]
    assert not history.truncated


def test_a_recorder_continues_a_file(tmp_path: Path):
    written(tmp_path / "h", NOTE)

    history = History.read(written(tmp_path / "h", NOTE))

    assert len(history.events) == 2


def test_a_damaged_line_is_told_with_file_and_number(tmp_path: Path):
    path = written(tmp_path / "h", NOTE)
    path.write_bytes(path.read_bytes() + b'{"kind": "no\x00te\n')

    with pytest.raises(HistoryDamaged, match=f"line 2 of {path}"):
        History.read(path)


def test_a_line_that_is_no_utf8_is_told(tmp_path: Path):
    (tmp_path / "h").write_bytes(b"\xff\xfe\n")

    with pytest.raises(HistoryDamaged, match="line 1"):
        History.read(tmp_path / "h")


def test_a_last_line_that_was_cut_is_left_out_and_told(tmp_path: Path):
    path = written(tmp_path / "h", NOTE, NOTE)
    path.write_bytes(path.read_bytes()[:-5])

    history = History.read(path)

    assert history.truncated
    assert len(history.events) == 1


def test_a_history_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(HistoryDamaged, match="not there"):
        History.read(tmp_path / "none")


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ([1], "no JSON object"),
        ({"t": 1}, "no kind"),
        ({"kind": "note", "text": "x"}, "no time"),
        ({"kind": "note", "t": 1.5, "text": "x"}, "no time"),
        ({"kind": "note", "t": True, "text": "x"}, "no time"),
        ({"kind": "note", "t": 1}, "without 'text'"),
        ({"kind": "schema", "t": 1, "version": True, "bound": 1}, "version = True"),
        ({"kind": "schema", "t": 1, "version": "6", "bound": 1}, "version = '6'"),
        ({"kind": "health", "t": 1, "lag_max_ms": float("nan")}, "lag_max_ms = nan"),
    ],
)
def test_a_line_of_another_shape_is_damaged(tmp_path: Path, event: object, problem: str):
    (tmp_path / "h").write_text(json.dumps(event) + "\n")

    with pytest.raises(HistoryDamaged, match=problem):
        History.read(tmp_path / "h")


def test_lines_of_kinds_nobody_knows_yet_are_kept():
    event = {"kind": "moon", "t": 1}

    assert list(History([event]).of("moon")) == [event]


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = written(tmp_path / "h", NOTE)
    write, calls = os.write, []

    def fills_up(descriptor: int, content: bytes) -> int:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content[:7])

    monkeypatch.setattr(os, "write", fills_up)
    with Recorder(path) as recorder, pytest.raises(NoSpace, match=str(path)):
        recorder.append([NOTE])

    assert len(History.read(path).events) == 1
    assert not History.read(path).truncated


def test_a_full_device_is_no_space():
    with Recorder(Path("/dev/full")) as recorder, pytest.raises(NoSpace, match="/dev/full"):
        recorder.append([NOTE])


def test_the_last_event_with_these_fields_is_found():
    history = History([NOTE, {**NOTE, "t": 2}, {**NOTE, "t": 3, "text": "two"}])

    assert history.last("note", text="one") == {**NOTE, "t": 2}
    assert history.first("note", text="two") == {**NOTE, "t": 3, "text": "two"}
    assert history.last("note", text="three") is None
