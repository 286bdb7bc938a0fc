"""`lab scenario run --watch` as somebody sees it who sits at a terminal."""

import json
import sys

import pytest

from lab.errors import EXIT_INVALID, EXIT_NOT_AS_PREDICTED
from tests.e2e.twin_user import User
from tests.terminals import GIVEN_BACK, HIDDEN, SEEN, TAKEN, terminal

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("pages"), pytest.mark.timeout(400)]

RUN = ("scenario", "run", "half-migrated-rename", "--variant", "careless", "--stage", "twin")


def test_a_run_is_drawn_while_it_goes_on_and_the_screen_given_back(user: User) -> None:
    command = [sys.executable, "-P", "-m", "lab", *RUN, "--json", "--watch"]
    with terminal(command, environ=user.environ, directory=user.directory) as shown:
        shown.wait_for("42703", timeout_s=240)
        code, out = shown.end(timeout_s=240)

    (told,) = json.loads(out)
    # Before it was over: a verdict comes last.
    going = shown.drawn.partition(told["outcome"].upper())[0]
    for text in ("CARELESS", "migrate", "failing now", "newest events", "foreseen", "42703"):
        assert text in going
    assert shown.written.count(TAKEN) == shown.written.count(GIVEN_BACK) == 1
    assert shown.written.rfind(SEEN) > shown.written.rfind(HIDDEN)
    assert "CARELESS" not in shown.written.partition(GIVEN_BACK)[2]
    assert code == code_of(told)


def code_of(told: dict[str, object]) -> int:
    """Return what a run that nobody watches ends with."""
    if told["outcome"] == "invalid":
        return EXIT_INVALID
    return 0 if told["as_predicted"] else EXIT_NOT_AS_PREDICTED
