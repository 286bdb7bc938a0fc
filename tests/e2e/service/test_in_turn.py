"""The scenario whose turn it is with the commit: on six nodes, and the twin says the same."""

from pathlib import Path

import pytest

from tests import rotation
from tests.e2e.service.conftest import Served
from tests.e2e.verdicts import Verdicts, assert_agree

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[3]
NAME = rotation.scenario_in_turn(rotation.commit_of(ROOT), "sandbox")


@pytest.fixture(scope="module")
def told(served: Served) -> Verdicts:
    return served.prove(NAME, "--clock", "fast")


def test_it_comes_as_predicted_on_six_nodes(told: Verdicts) -> None:
    assert {name: each["as_predicted"] for name, each in told.items()} == {
        "careless": True,
        "careful": True,
    }, NAME
    assert {each["clock"] for each in told.values()} == {"fast"}


@pytest.mark.skipif("twin" not in rotation.SEEN[NAME], reason=f"{NAME} was seen on nodes only")
def test_the_twin_agrees(served: Served, told: Verdicts) -> None:
    assert_agree(served.prove(NAME, "--stage", "twin"), told)
