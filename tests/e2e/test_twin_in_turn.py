"""The scenario whose turn it is with the commit, in each of its forms on the twin."""

import pytest

from lab import content
from lab.scenario import loader
from tests import rotation
from tests.e2e.twin_user import ROOT, User

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("twin"), pytest.mark.timeout(900)]

NAME = rotation.scenario_in_turn(rotation.commit_of(ROOT), "twin")
FORMS = [form.name for form in loader.load(content.folder("scenarios"), NAME).scenario.variants]


@pytest.mark.parametrize("form", FORMS)
def test_it_comes_as_predicted(user: User, form: str) -> None:
    told = user.prove(NAME, "--variant", form)[form]

    assert (told["stage"], told["as_predicted"]) == ("twin", True), NAME
