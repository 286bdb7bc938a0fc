"""Which part of the real tier runs with a commit."""

import re
from itertools import product
from pathlib import Path

import pytest
import yaml

from tests import rotation

HERE = Path(__file__).parent


def test_a_commit_always_runs_the_same_part():
    first, again = (rotation.chosen(None, "00000003" + "f" * 32) for _ in range(2))

    assert first == again


def test_each_part_has_its_turn():
    commits = [f"{number:08x}" + "0" * 32 for number in range(len(rotation.PARTS))]
    told = {part for commit in commits for part in rotation.chosen(None, commit)}

    assert told == set(rotation.PARTS)


def test_one_or_all_can_be_asked_for():
    assert rotation.chosen("servers", "0" * 40) == ("servers",)
    assert rotation.chosen("all", "0" * 40) == rotation.PARTS


def test_a_part_that_there_is_not_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"'server' is none of failures, .*, all"):
        rotation.chosen("server", "0" * 40)


def test_each_scenario_that_was_seen_has_its_turn():
    there_are = {file.parent.name for file in (HERE.parent / "scenarios").glob("*/scenario.py")}
    commits = ["0" * 8 + f"{number:08x}" + "0" * 24 for number in range(len(rotation.SEEN))]

    for stage in ("sandbox", "twin"):
        seen = {name for name, stages in rotation.SEEN.items() if stage in stages}
        assert {rotation.scenario_in_turn(commit, stage) for commit in commits} == seen
        assert seen <= there_are


def test_each_scenario_meets_each_part():
    commits = [
        f"{part:08x}{scenario:08x}" + "0" * 24 for part in range(14) for scenario in range(10)
    ]
    met = {
        (part, rotation.scenario_in_turn(commit, "twin"))
        for commit in commits
        for part in rotation.chosen(None, commit)
    }
    on_twin = [name for name, stages in rotation.SEEN.items() if "twin" in stages]

    assert met == set(product(rotation.PARTS, on_twin))


def test_outside_of_git_there_is_a_part_as_well(tmp_path: Path):
    assert rotation.chosen(None, rotation.commit_of(tmp_path))


def test_every_part_has_tests_and_every_mark_names_a_part():
    marks = [
        name
        for file in HERE.rglob("test_*.py")
        for name in re.findall(r'mark\.rotating\("([^"]+)"\)', file.read_text())
    ]

    assert {*marks, *rotation.OF_ROOMS.values()} == set(rotation.PARTS)


def test_the_hosted_runners_run_all_of_them():
    workflow = yaml.safe_load((HERE.parent / ".github/workflows/ci.yml").read_text())

    assert workflow["jobs"]["test"]["strategy"]["matrix"]["part"] == list(rotation.PARTS)
