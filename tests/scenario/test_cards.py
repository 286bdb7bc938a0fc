"""Does each scenario say what is owed to whoever is called, and is it true of its steps?"""

from dataclasses import replace
from pathlib import Path

import pytest

from lab import content
from lab.goose.annotations import Reversible
from lab.goose.files import collect
from lab.scenario import loader, mistakes
from lab.scenario.model import Scenario

FOLDER = content.folder("scenarios")
NAMES = sorted(each.name for each in FOLDER.iterdir() if (each / "scenario.py").exists())
MIGRATIONS = Path(__file__).parents[2] / "lab" / "chirps" / "migrations"


def scenario(name: str) -> Scenario:
    return loader.load(FOLDER, name).scenario


@pytest.mark.parametrize("name", NAMES)
def test_each_scenario_has_a_card_in_which_nothing_is_left_out(name):
    found = scenario(name)

    assert found.card is not None
    assert mistakes.find(found) == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_guide_says_what_is_safe_and_what_is_not(name):
    guide = loader.load(FOLDER, name).guide

    assert len(guide.safe) >= 2
    assert len(guide.unsafe) >= 2


@pytest.mark.parametrize("name", NAMES)
def test_a_migration_without_a_way_back_is_marked_on_the_card(name):
    found = scenario(name)
    assert found.card is not None

    for step in found.careful.timeline:
        if is_final(step.fault):
            assert step.name in found.card.no_way_back


def is_final(fault: object) -> bool:
    track, to = getattr(fault, "track", None), getattr(fault, "to", None)
    if track is None:
        return False
    files = collect(MIGRATIONS / "base", MIGRATIONS / track)
    return any(
        each.annotations.get("reversible") == Reversible.NO
        for each in files
        if each.version > 5 and (to is None or each.version == to)
    )


def broken(**changes: object) -> tuple[str, ...]:
    found = scenario("ghost-pod-contract")
    assert found.card is not None
    return mistakes.find(replace(found, card=replace(found.card, **changes)))


def test_a_card_that_names_no_step_is_a_mistake():
    (found,) = broken(no_way_back=("contract", "drop"))

    assert "no way back from 'drop', no step of careful (it has lose the node, " in found


def test_a_card_that_names_a_step_without_a_change_is_a_mistake():
    assert broken(no_way_back=("watch",)) == (
        "its card has no way back from 'watch', a step of careful that changes nothing",
    )


def test_what_only_the_careless_variant_makes_final_must_be_a_step_of_it():
    assert broken(careless_no_way_back=("roll out",)) == ()
    (found,) = broken(careless_no_way_back=("shut the door",))

    assert "no way back from 'shut the door', no step of careless" in found


def test_a_card_that_names_a_step_twice_or_owes_nothing_is_a_mistake():
    assert broken(no_way_back=("contract", "contract"), owed=()) == (
        "its card does not say 'owed'",
        "its card names 'contract' twice",
    )
