"""Playing the variants of one run: what is kept, and what is played once more."""

import json
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.paths import Paths
from lab.report import timeline, view
from lab.scenario.verdict import Outcome
from lab.stages.play import Judged, recheck
from lab.store import Store
from tests.stages.places import Grounds, dirty, fails_with, files, scenario, store_in


@pytest.fixture
def store(paths: Paths, tmp_path: Path) -> Store:
    return store_in(paths, tmp_path)


def test_each_variant_is_judged_and_kept(store: Store) -> None:
    grounds, loaded = Grounds(), scenario()

    played = grounds.playing(store).play(
        grounds.place, loaded, (loaded.scenario.careless, loaded.scenario.careful)
    )

    assert [v.outcome for v in played.verdicts] == [Outcome.REPRODUCED, Outcome.PREVENTED]
    assert played.exit_code == 0
    assert files(played.run) == ["careful/history.jsonl", "careless/history.jsonl"]
    assert [told["tries"] for told in store.objects(played.run)] == [1, 1]
    assert (grounds.entered, grounds.left, grounds.let_be_of) == (1, 1, 2)


def test_what_proved_nothing_is_played_once_more_and_says_so(store: Store) -> None:
    grounds, loaded = Grounds([dirty]), scenario()
    judged: list[Judged] = []

    played = grounds.playing(store, judged=judged.append).play(
        grounds.place, loaded, (loaded.scenario.careless, loaded.scenario.careful)
    )

    assert [each.verdict.outcome for each in judged] == [Outcome.REPRODUCED, Outcome.PREVENTED]
    assert [len(each.invalid) for each in judged] == [1, 0]
    assert judged[0].invalid[0][0].startswith("baseline: ")
    assert {t["variant"]: t["tries"] for t in store.objects(played.run)} == {
        "careless": 2,
        "careful": 1,
    }


def test_the_first_try_is_kept_and_the_history_of_the_second_tells_of_it(store: Store) -> None:
    grounds, loaded = Grounds([dirty]), scenario()

    run = grounds.playing(store).play(grounds.place, loaded, (loaded.scenario.careless,)).run

    assert files(run) == ["_invalid/careless/1/history.jsonl", "careless/history.jsonl"]
    aside = json.loads((run.path / "_invalid/careless/1/verdict.json").read_bytes())
    assert aside["outcome"] == "invalid"
    lines = [json.loads(line) for line in run.history("careless").read_bytes().splitlines()]
    assert [line["kind"] for line in lines[:2]] == ["run", "note"]
    assert "a try before this proved nothing: baseline: " in lines[1]["text"]
    # The observer may still know the first one.
    first = (run.path / "_invalid/careless/1/history.jsonl").read_bytes().splitlines()[0]
    assert json.loads(first)["run"] != lines[0]["run"]


def test_a_report_shows_the_second_try_alone_with_the_note_of_the_first(store: Store) -> None:
    grounds, loaded = Grounds([dirty]), scenario()
    run = grounds.playing(store).play(grounds.place, loaded, (loaded.scenario.careless,)).run

    (shown,) = view.load(run.path).variants

    assert (shown.name, shown.outcome) == ("careless", "reproduced")
    notes = [row for row in shown.timeline if isinstance(row, timeline.Row)]
    assert any("once more" in str(row) for row in notes)
    assert [differs for _, differs in recheck(loaded, run, store=store)] == [False]


def test_it_is_played_once_more_and_not_twice(store: Store) -> None:
    grounds, loaded = Grounds([dirty, dirty]), scenario()

    played = grounds.playing(store).play(grounds.place, loaded, (loaded.scenario.careless,))

    assert played.verdicts[0].outcome is Outcome.INVALID
    assert played.exit_code == 3
    assert len(played.judged[0].invalid) == 1
    assert played.run.tries("careless") == 2


def test_what_may_not_be_tried_again_stays_as_it_is(store: Store) -> None:
    grounds, loaded = Grounds([dirty]), scenario()

    played = grounds.playing(store, may_retry=lambda _: False).play(
        grounds.place, loaded, (loaded.scenario.careless,)
    )

    assert played.verdicts[0].outcome is Outcome.INVALID
    assert files(played.run) == ["careless/history.jsonl"]


def test_a_verdict_that_is_not_liked_is_not_tried_again(store: Store) -> None:
    grounds, loaded = Grounds(), scenario("nudged", False)

    played = grounds.playing(store).play(grounds.place, loaded, (loaded.scenario.careless,))

    assert played.verdicts[0].outcome is Outcome.NOT_REPRODUCED
    assert played.exit_code == 1
    assert played.run.tries("careless") == 1


def test_what_was_judged_before_the_lab_failed_is_kept(store: Store) -> None:
    broken = fails_with(LabError("no database"))
    grounds, loaded = Grounds([lambda _: None, broken]), scenario()

    with pytest.raises(LabError, match="no database"):
        grounds.playing(store).play(
            grounds.place, loaded, (loaded.scenario.careless, loaded.scenario.careful)
        )

    told = {each["variant"]: each["outcome"] for each in store.objects(store.find())}
    assert told == {"careless": "reproduced", "careful": None}
    assert grounds.left == 1
