from dataclasses import replace

import pytest

from lab.lifecycle.status import NodeLine, judge

GOOD = NodeLine("n1", "server", "10.77.0.11", True, True, "", "v1.36.3")
OFF = replace(GOOD, running=False, ready=None)
NOT_READY = replace(GOOD, ready=False)
UNKNOWN = replace(GOOD, ready=None)


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        ((GOOD, GOOD), "up"),
        ((GOOD, OFF), "degraded"),
        ((GOOD, NOT_READY), "degraded"),
        ((GOOD, UNKNOWN), "degraded"),
        ((OFF, OFF), "stopped"),
    ],
)
def test_the_state_of_a_lab_follows_from_its_nodes(lines: tuple[NodeLine, ...], state: str) -> None:
    assert judge(lines, complete=True) == state


def test_a_lab_whose_nodes_have_not_all_joined_is_incomplete() -> None:
    assert judge((GOOD, GOOD), complete=False) == "incomplete"


def test_machines_that_lab_did_not_make_are_never_called_stopped() -> None:
    lines = (replace(GOOD, running=False, ready=None),)

    assert judge(lines, complete=True, own=False) == "degraded"
    assert judge(lines, complete=True) == "stopped"
