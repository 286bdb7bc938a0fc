"""The observer is read by offset through the API server; a fake of both stands in here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from lab.errors import ClusterUnreachable, ObserverLost, RequestRefused
from lab.kube.client import Answer
from lab.service.observer import Observer

PROXY = "/api/v1/namespaces/chirps/pods/observer-0:8090/proxy"


@dataclass
class FakeApi:
    """Answers as API server and observer together would; `limit` is the size of one answer."""

    instance: str = "first"
    streams: dict[str, bytes] = field(default_factory=dict)
    limit: int = 1 << 20
    refuse: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any = None) -> Answer:
        if self.refuse:
            raise RequestRefused("refused", status=self.refuse)
        rest = urlsplit(path).path.removeprefix(PROXY)
        self.asked.append((method, rest))
        headers = {"x-observer-instance": self.instance}
        return Answer(headers, self._body(rest, query))

    def _body(self, rest: str, query: Mapping[str, str]) -> bytes:
        if rest.endswith("/streams"):
            sizes = [{"name": n, "size": len(c), "closed": False} for n, c in self.streams.items()]
            return json.dumps({"streams": sizes}).encode()
        if "/streams/" in rest:
            left = self.streams[rest.rsplit("/", 1)[-1]][int(query["offset"]) :][: self.limit]
            return left[: left.rfind(b"\n") + 1]
        return b"{}"


@pytest.fixture
def api() -> FakeApi:
    return FakeApi(streams={"requests": b"", "kube": b""})


@pytest.fixture
def observer(api: FakeApi) -> Observer:
    made = Observer(api)  # type: ignore[arg-type] # a fake that answers alike
    made.begin({"run": "r"})
    return made


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def test_each_line_is_read_once(api: FakeApi, observer: Observer) -> None:
    api.streams["requests"] = line(seq=1) + line(seq=2)

    assert [event["seq"] for event in observer.read("r")] == [1, 2]
    assert observer.read("r") == []


def test_a_line_that_is_not_whole_yet_is_read_when_it_is(api: FakeApi, observer: Observer) -> None:
    whole = line(seq=1)
    api.streams["requests"] = whole[:5]
    assert observer.read("r") == []

    api.streams["requests"] = whole

    assert [event["seq"] for event in observer.read("r")] == [1]


def test_what_does_not_fit_into_one_answer_is_read_in_several(
    api: FakeApi, observer: Observer
) -> None:
    api.streams["requests"] = b"".join(line(seq=n) for n in range(50))
    api.limit = 40

    assert [event["seq"] for event in observer.read("r")] == list(range(50))


def test_a_read_that_failed_loses_nothing(api: FakeApi, observer: Observer) -> None:
    api.streams["kube"] = line(n=1)
    api.refuse = 503
    with pytest.raises(ClusterUnreachable):
        observer.read("r")

    api.refuse = 0

    assert [event["n"] for event in observer.read("r")] == [1]


def test_an_observer_that_was_restarted_is_lost(api: FakeApi, observer: Observer) -> None:
    api.instance = "second"

    with pytest.raises(ObserverLost, match="restarted during the run"):
        observer.read("r")


def test_a_run_that_the_observer_does_not_know_is_lost(api: FakeApi, observer: Observer) -> None:
    api.refuse = 404

    with pytest.raises(ObserverLost, match="the observer refused"):
        observer.read("r")


def test_a_damaged_line_is_told_with_its_place(api: FakeApi, observer: Observer) -> None:
    api.streams["requests"] = line(seq=1)
    observer.read("r")
    api.streams["requests"] += b"{nonsense\n"

    with pytest.raises(ObserverLost, match="stream requests is damaged after byte 11"):
        observer.read("r")


@pytest.mark.parametrize("status", [404, 503])
def test_forgetting_a_run_that_is_gone_or_out_of_reach_is_fine(
    api: FakeApi, observer: Observer, status: int
) -> None:
    api.refuse = status

    observer.forget("r")


def test_the_clock_with_the_quickest_answer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0, 100, 1000, 1020, *range(2000, 2000 + 5 * 200, 100)])
    monkeypatch.setattr("lab.observing.time.monotonic_ns", lambda: next(ticks))

    class Api(FakeApi):
        def answer(self, *_: Any, **__: Any) -> Answer:
            return Answer({}, b'{"monotonic_ns": 5010}')

    clock = Observer(Api()).measure_clock()  # type: ignore[arg-type]

    assert (clock.offset, clock.bound) == (4000, 11)
