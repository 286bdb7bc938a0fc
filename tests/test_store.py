"""The store of runs: names, who owns them, and what happens to damaged ones."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.errors import HistoryDamaged, InvalidValue, LabError, NoSpace, NoSuchRun
from lab.paths import Caller, Paths
from lab.scenario.history import Recorder
from lab.scenario.verdict import Figures, Outcome, Verdict
from lab.store import Store

NOON = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 12, 0, 1, tzinfo=UTC)


@pytest.fixture
def store(paths: Paths) -> Store:
    return Store.of(paths)


def verdict(variant: str = "careful", outcome: Outcome = Outcome.PREVENTED) -> Verdict:
    figures = Figures(9, 0, 0.0, 0.0, 0.0, None, 0.0, None, 0, 0, 0, 80.0, 0.02)
    return Verdict("rename", variant, outcome, (), (), (), figures, as_predicted=True)


def test_a_run_is_named_by_the_second_it_began(store: Store, paths: Paths):
    run = store.create("rename", {"seed": 1}, now=NOON)

    assert run.id == "rename/20261125T120000Z"
    assert run.path == paths.state / "runs" / "rename" / "20261125T120000Z"
    assert store.about(run) == {"seed": 1}


def test_two_runs_of_one_second_do_not_collide(store: Store):
    runs = [store.create("rename", {"n": n}, now=NOON) for n in range(11)]

    assert len({run.path for run in runs}) == 11
    assert runs[1].name == "20261125T120000Z-2"
    assert store.runs() == tuple(reversed(runs))


def test_the_link_points_at_the_latest_run(store: Store):
    store.create("rename", {}, now=NOON)
    run = store.create("rename", {}, now=LATER)

    assert (run.path.parent / "latest").resolve() == run.path


def test_runs_of_all_scenarios_are_listed_newest_first(store: Store):
    old = store.create("rename", {}, now=NOON)
    new = store.create("lock-queue", {}, now=LATER)

    assert store.runs() == (new, old)
    assert store.runs("rename") == (old,)


def test_what_a_crash_left_and_what_others_put_there_is_no_run(store: Store):
    run = store.create("rename", {}, now=NOON)
    (run.path.parent / "20261125T120001Z").mkdir()
    (run.path.parent / "notes").mkdir()
    (store.root / "README").touch()

    assert store.runs() == (run,)


def test_without_any_run_there_is_nothing_to_list_or_find(store: Store):
    assert store.runs() == ()
    with pytest.raises(NoSuchRun):
        store.find()


@pytest.mark.parametrize(
    "wanted",
    [
        "20261125T120001Z",
        "20261125T120001",
        "rename/20261125T120001Z",
        "rename/20261125T120001",
        "rename",
        "rename/latest",
    ],
)
def test_a_run_is_found_by_id_beginning_or_scenario(store: Store, wanted: str):
    store.create("rename", {}, now=NOON)
    run = store.create("rename", {}, now=LATER)

    assert store.find(wanted) == run


def test_latest_is_the_newest_of_all(store: Store):
    store.create("rename", {}, now=NOON)
    run = store.create("lock-queue", {}, now=LATER)

    assert store.find("latest") == run
    assert store.find() == run


def test_a_name_that_another_one_begins_with_is_no_ambiguity(store: Store):
    run = store.create("rename", {}, now=NOON)
    store.create("rename", {}, now=NOON)

    assert store.find("20261125T120000Z") == run


@pytest.mark.parametrize("wanted", ["2026", "rename/2026"])
def test_an_ambiguous_beginning_is_refused_with_the_candidates(store: Store, wanted: str):
    store.create("rename", {}, now=NOON)
    store.create("rename", {}, now=LATER)

    with pytest.raises(NoSuchRun, match="any of 2 runs") as failure:
        store.find(wanted)

    assert "rename/20261125T120000Z" in str(failure.value.hint)


@pytest.mark.parametrize(
    "wanted", ["", "/", "rename/", "2025", "../rename", "lock-queue/latest", "..", "notes"]
)
def test_an_unknown_run_is_told(store: Store, wanted: str):
    store.create("rename", {}, now=NOON)

    with pytest.raises(NoSuchRun):
        store.find(wanted)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "Rename", "a b"])
def test_a_name_that_is_no_plain_word_gets_no_directory(store: Store, name: str):
    run = store.create("rename", {}, now=NOON)

    with pytest.raises(InvalidValue):
        store.create(name, {})
    with pytest.raises(InvalidValue):
        store.begin_variant(run, name)


def test_a_history_is_begun_once(store: Store):
    run = store.create("rename", {}, now=NOON)
    path = store.begin_variant(run, "careless")
    with Recorder(path) as recorder:
        recorder.append([{"kind": "note", "t": 1, "text": "x"}])

    assert run.variants == ("careless",)
    with pytest.raises(LabError, match="already"):
        store.begin_variant(run, "careless")


def test_a_verdict_is_read_back_and_replaced(store: Store):
    run = store.create("rename", {}, now=NOON)
    store.begin_variant(run, "careful")

    store.write_verdict(run, verdict(outcome=Outcome.INVALID))
    store.write_verdict(run, verdict())

    assert store.read_verdict(run, "careful") == verdict()
    assert sorted(p.name for p in (run.path / "careful").iterdir()) == [
        "history.jsonl",
        "verdict.json",
    ]


def test_a_run_that_was_not_judged_says_so(store: Store):
    run = store.create("rename", {}, now=NOON)

    with pytest.raises(NoSuchRun, match="no verdict of careful"):
        store.read_verdict(run, "careful")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"scenario": "x"}', '{"outcome": 3}'])
def test_a_damaged_verdict_is_told(store: Store, content: str):
    run = store.create("rename", {}, now=NOON)
    store.begin_variant(run, "careful")
    run.verdict("careful").write_text(content)

    with pytest.raises(HistoryDamaged, match=r"verdict\.json"):
        store.read_verdict(run, "careful")


def test_a_damaged_run_file_is_told_and_keeps_no_other_from_being_listed(store: Store):
    run = store.create("rename", {}, now=NOON)
    other = store.create("rename", {}, now=LATER)
    (run.path / "run.json").write_bytes(b"\xff")

    assert store.runs() == (other, run)
    with pytest.raises(HistoryDamaged, match=r"run\.json"):
        store.about(run)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_runs_belong_to_the_calling_user(tmp_path: Path):
    store = Store(tmp_path / "state" / "runs", owner=Caller(12345, 12346, tmp_path))

    run = store.create("rename", {}, now=NOON)
    store.begin_variant(run, "careful")
    store.write_verdict(run, verdict())

    made = [tmp_path / "state", *(tmp_path / "state").rglob("*")]
    assert len(made) == 9
    assert {(p.lstat().st_uid, p.lstat().st_gid) for p in made} == {(12345, 12346)}


def test_a_full_disk_is_told_by_name(store: Store, monkeypatch: pytest.MonkeyPatch):
    run = store.create("rename", {}, now=NOON)
    store.begin_variant(run, "careful")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpace, match="verdict"):
        store.write_verdict(run, verdict())
