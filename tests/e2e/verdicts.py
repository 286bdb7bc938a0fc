"""What `lab scenario run --json` told, played again where the host was too busy to measure."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.agreement import agree
from lab.errors import EXIT_INVALID
from tests.e2e.home import Done

TRIES = 3

Verdicts = Mapping[str, Mapping[str, Any]]
"""By variant, what a run came to."""


def prove(play: Callable[[], Done]) -> Verdicts:
    """Play until a run could be trusted. Fails when it then did not come as predicted.

    A host that was too busy to send in time is no fault of a run, which says so itself.
    """
    for _ in range(TRIES):
        done = play()
        if not was_late(done):
            break
    assert done.returncode == 0, done.stdout + done.stderr
    return {each["variant"]: each for each in json.loads(done.stdout)}


def was_late(done: Done) -> bool:
    """Whether nothing but a client that sent late made a run invalid."""
    if done.returncode != EXIT_INVALID:
        return False
    reasons = [reason for each in json.loads(done.stdout) for reason in each["reasons"]]
    return all(reason.startswith("the client sent late") for reason in reasons)


def assert_agree(one: Verdicts, other: Verdicts) -> None:
    """Two stages say the same of each variant."""
    assert {name: agree(told, other[name]) for name, told in one.items()} == {
        "careless": True,
        "careful": True,
    }
