"""A token is signed by the cluster before anybody joins by it."""

from typing import Any, cast

import pytest

from lab.errors import NotReady, RequestRefused
from lab.kube import tokens
from lab.kube.client import Client

TOKEN = "abc123.0123456789abcdef"
SIGNED = {"data": {"jws-kubeconfig-abc123": "a..b", "kubeconfig": ""}}
OTHER = {"data": {"jws-kubeconfig-zzz999": "a..b", "kubeconfig": ""}}
MISSING = RequestRefused("GET cluster-info: 404 not found", status=404)


class Answers:
    """An API server that gives one answer after the other, and then the last for ever."""

    def __init__(self, *answers: dict[str, Any] | RequestRefused) -> None:
        self._answers = iter(answers)
        self._last = answers[-1]
        self.asked = 0

    def get(self, path: str) -> dict[str, Any]:
        self.asked += 1
        answer = next(self._answers, self._last)
        if isinstance(answer, RequestRefused):
            raise answer
        return answer


def wait(server: Answers, clock: "Clock") -> None:
    tokens.wait_until_signed(
        cast(Client, server), TOKEN, timeout_s=30, now=clock.now, sleep=clock.sleep
    )


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_it_waits_while_cluster_info_is_missing_or_signed_by_others_only() -> None:
    server = Answers(MISSING, OTHER, SIGNED)

    wait(server, Clock())

    assert server.asked == 3


def test_a_controller_manager_that_does_not_sign_is_named_in_time() -> None:
    clock = Clock()

    with pytest.raises(NotReady, match=r"did not sign cluster-info .* within 30 s"):
        wait(Answers(OTHER), clock)

    assert clock.seconds == pytest.approx(30.5)


def test_what_is_refused_is_not_waited_for() -> None:
    with pytest.raises(RequestRefused):
        wait(Answers(RequestRefused("GET: 403 forbidden", status=403)), Clock())
