from typing import Any

from lab.scenario import waiting
from lab.scenario.history import History


def pod(name: str, t: int, **told: Any) -> dict[str, Any]:
    known = {"type": "MODIFIED", "release": "v2", "ready": False, "restarts": 0, "reason": None}
    return {"kind": "pod", "t": t, "name": name, **known, **told}


def test_pods_that_wait_for_the_same_are_told_together() -> None:
    history = History(
        [pod("a", 1, reason="ErrImageNeverPull"), pod("b", 2, reason="ErrImageNeverPull")]
    )

    assert waiting.reasons(history) == ("2 of v2 with ErrImageNeverPull (a)",)


def test_only_what_a_pod_said_last_counts() -> None:
    history = History([pod("a", 1, reason="ContainerCreating"), pod("a", 2, ready=True)])

    assert waiting.reasons(history) == ()


def test_a_pod_that_is_gone_waits_for_nothing() -> None:
    history = History([pod("a", 1, reason="Error", type="DELETED")])

    assert waiting.reasons(history) == ()
