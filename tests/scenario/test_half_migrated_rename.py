"""The first scenario can be loaded, and says what it must say."""

from pathlib import Path

from lab import content
from lab.scenario import loader
from lab.scenario.loader import Loaded


def loaded() -> Loaded:
    return loader.load(content.folder("scenarios"), "half-migrated-rename")


def test_every_scenario_can_be_played():
    folder = content.folder("scenarios")

    assert loader.names(folder)
    for name in loader.names(folder):
        loader.load(folder, name)


def test_loading_leaves_nothing_in_the_folder():
    folder = content.folder("scenarios") / "half-migrated-rename"

    loaded()

    assert sorted(path.name for path in Path(folder).iterdir()) == ["guide.md", "scenario.py"]


def test_the_control_is_the_careless_timeline_with_the_same_checks():
    scenario = loaded().scenario
    control = next(each for each in scenario.proofs if each.name == "control")

    assert [s.name for s in control.timeline] == [s.name for s in scenario.careless.timeline]
    assert control.checks == scenario.careless.checks


def test_the_guide_gives_away_nothing_on_its_first_page():
    guide = loaded().guide

    assert "rename" not in guide.page.lower()
    assert len(guide.hints) == 3
    assert len(guide.evidence) >= 3
