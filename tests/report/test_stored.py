"""A damaged run is read as far as it can be, and what is missing is told."""

import json
from pathlib import Path

import pytest

from lab.errors import HistoryDamaged, NoSuchRun
from lab.report import stored, view
from tests.report import judged, synthetic

GOOD = b'{"kind":"note","t":1,"text":"a"}\n'


def test_a_history_that_ends_within_a_line_says_so():
    events, damage = stored.read_history(GOOD + b'{"kind":"no')

    assert len(events) == 1
    assert damage == ("the history ends in the middle of a line: its writer was stopped",)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"kind":"note"}',
        b'{"kind":"note","t":1.5,"text":"a"}',
        b'{"kind":"note","t":99999999999999999999999,"text":"a"}',
        b'{"kind":"note","t":1}',
        b'{"kind":"health","t":1,"lag_max_ms":NaN,"planned":1,"cap_reached":false}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_line_is_left_out_and_counted(line):
    events, damage = stored.read_history(GOOD + line + b"\n" + GOOD)

    assert len(events) == 2
    assert damage == ("1 of 3 lines of the history are damaged, first line 2",)


def test_a_stream_without_its_last_line_is_told():
    line = b'{"kind":"stream","t":1,"stream":"requests","run":"r","instance":"i"}\n'

    _, damage = stored.read_history(line)

    assert damage == ("never closed, so perhaps incomplete: requests",)


def test_a_whole_history_has_no_damage(run_directory):
    run = stored.load(run_directory)

    assert run.damage == ()
    assert [(each.name, each.damage) for each in run.variants] == [
        ("careless", ()),
        ("careful", ()),
    ]


def test_proofs_follow_the_two_that_are_compared(tmp_path: Path):
    for name in ("control", "careful", "careful-without-expand", "careless"):
        synthetic.write_history(tmp_path / name, synthetic.History(synthetic.CARELESS))

    found = stored.load(tmp_path)

    assert [each.name for each in found.variants] == [
        "careless",
        "careful",
        "careful-without-expand",
        "control",
    ]


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000])
def test_a_damaged_run_file_does_not_hide_the_history(tmp_path: Path, content: str):
    synthetic.write_history(tmp_path / "careless", synthetic.History(synthetic.CARELESS))
    (tmp_path / "run.json").write_text(content)

    assert stored.load(tmp_path).damage == ("run.json cannot be read",)


@pytest.mark.parametrize("content", ["{}", '{"outcome": "great"}', "[]"])
def test_a_damaged_verdict_is_no_verdict(tmp_path: Path, content: str):
    synthetic.write_history(tmp_path / "careless", synthetic.History(synthetic.CARELESS))
    (tmp_path / "careless" / "verdict.json").write_text(content)

    found = stored.load(tmp_path).variants[0]

    assert found.verdict is None
    assert len(found.damage) == 1


def test_the_name_of_a_run_is_the_same_by_its_link(run_directory, tmp_path: Path):
    link = tmp_path / "latest"
    link.symlink_to(run_directory)

    assert view.load(link).run == judged.NAME


def test_what_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(NoSuchRun):
        stored.load(tmp_path / "absent")
    with pytest.raises(HistoryDamaged, match="holds no history"):
        stored.load(tmp_path)


def test_any_cut_of_a_history_can_be_shown(run_directory, tmp_path: Path):
    whole = (run_directory / "careless" / "history.jsonl").read_bytes()
    target = tmp_path / "careless"
    target.mkdir()

    for share in (0, 3, 30, 77, 99):
        (target / "history.jsonl").write_bytes(whole[: len(whole) * share // 100])
        found = view.load(tmp_path)
        assert found.outcome == "this run proves nothing"
        assert json.dumps([line.text for line in found.variants[0].story])
