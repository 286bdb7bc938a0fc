"""Which pods are asked when, and what of it is told, with pods that answer as told."""

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lab.errors import ClusterUnreachable, RequestRefused
from lab.kube.client import Client
from lab.scenario.events import problem_with
from lab.scenario.exposition import Watched
from lab.scenario.log_lines import Entry
from lab.stages.cluster_listening import ClusterWay, entry_of
from lab.stages.hearing import told
from lab.stages.listening import AGAIN_AFTER_S, Listener, Pod
from lab.stages.twin_listening import TwinWay

SINCE_S = 1_769_860_800.0
Line = dict[str, Any]


def pod(name: str = "a", kind: str = "MODIFIED", **more: Any) -> Line:
    always = {"app": "chirps", "release": "v1", "ready": True, "restarts": 0, "terminating": False}
    return {"kind": "pod", "t": 0, "type": kind, "name": name, **always, **more}


@dataclass
class Pods:
    """Pods that all count up and log one more line each time they are asked."""

    logs_stay: bool = False
    silent: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    since: list[float] = field(default_factory=list)

    def log(self, pod: Pod, since_s: float) -> Sequence[Entry]:
        self._answer("log", pod)
        self.since.append(since_s)
        said = {"level": "warning", "event": "request", "sqlstate": "42703"}
        return [(SINCE_S + len(self.asked), json.dumps(said))]

    def metrics(self, pod: Pod) -> str:
        self._answer("metrics", pod)
        return f'# TYPE x counter\nx{{sqlstate="42703"}} {len(self.asked)}\n'

    def _answer(self, what: str, pod: Pod) -> None:
        self.asked.append((what, pod.name))
        if pod.name in self.silent:
            raise ClusterUnreachable(f"{pod.name} does not answer")


@dataclass
class Play:
    """A listener on a clock that is set."""

    way: Any
    time_s: float = 0
    listener: Listener = field(init=False)

    def __post_init__(self) -> None:
        self.listener = Listener(self.way, since_s=SINCE_S, clock=lambda: self.time_s)

    def see(self, *lines: Line) -> None:
        """See, and wait for whoever is asked because of it."""
        self.listener.see(lines)
        for each in self.listener._pods.values():
            if each.asking:
                each.asking.result(10)

    def end(self) -> dict[str, list[Line]]:
        found: dict[str, list[Line]] = {"log": [], "metric": [], "heard": []}
        for event in told(self.listener.finish(), since_s=SINCE_S, now=99, at=int):
            assert problem_with(event) is None
            found[event["kind"]].append(dict(event))
        return found


@pytest.fixture
def way() -> Pods:
    return Pods()


@pytest.fixture
def play(way: Pods) -> Iterator[Play]:
    play = Play(way)
    yield play
    play.listener.close()


def test_a_pod_that_is_there_is_asked_for_its_counters_and_left_alone_until_the_end(play, way):
    play.see(pod(kind="LISTED"))
    play.time_s = 60
    play.see(pod())

    assert way.asked == [("metrics", "a")]
    found = play.end()
    assert way.asked == [("metrics", "a"), ("metrics", "a"), ("log", "a")]
    assert [(each["before"], each["after"]) for each in found["metric"]] == [(1, 2)]


def test_a_pod_that_is_being_deleted_is_asked_at_once_and_again_until_it_is_gone(play, way):
    play.see(pod(kind="ADDED"))
    play.see(pod(terminating=True))
    play.see()
    assert way.asked == [("metrics", "a"), ("log", "a")]

    play.time_s = AGAIN_AFTER_S
    play.see()
    play.see(pod(kind="DELETED", terminating=True))
    play.time_s = 60
    found = play.end()

    assert way.asked == [("metrics", "a"), ("log", "a")] * 2
    assert found["log"][0]["count"] == 2
    assert all(each["whole"] for each in found["heard"])


def test_nobody_is_asked_any_more_when_all_have_been_asked_for_the_last_time(play, way):
    play.see(pod(terminating=True))
    play.end()
    asked = list(way.asked)

    play.time_s = 2 * AGAIN_AFTER_S
    play.see(pod(terminating=True))
    play.see(pod("late", kind="ADDED", terminating=True))

    assert way.asked == asked


def test_what_was_heard_already_is_not_asked_for_again(play, way):
    play.see(pod(terminating=True))
    play.end()

    assert way.since == [SINCE_S, pytest.approx(SINCE_S + 2 + 1e-6, abs=1e-5)]


def test_a_pod_that_was_gone_before_it_could_be_asked_is_named(play):
    play.see(pod(kind="ADDED"))
    play.see(pod(kind="DELETED"))
    logs, metrics = play.end()["heard"]

    assert (logs["whole"], logs["detail"]) == (False, "pods that could not be asked: a")
    assert metrics["detail"] == "pods that ended before they could be asked: a"


def test_a_pod_is_asked_when_its_address_is_known_which_a_later_line_tells(play, way):
    class Where(Pods):
        def metrics(self, pod: Pod) -> str:
            self.asked.append((str(pod.address), pod.name))
            return ""

    play.listener._way = where = Where()
    there = {"pod": "a", "address": "127.0.0.1:1", "ready": True}
    play.see(pod(kind="LISTED"), {"kind": "endpoints", "t": 0, "endpoints": [there]})

    assert where.asked == [("127.0.0.1:1", "a")]


def test_counters_of_which_the_beginning_is_not_known_are_missing(play, way):
    way.silent.add("a")
    play.see(pod(kind="LISTED"))
    way.silent.clear()

    assert [each["whole"] for each in play.end()["heard"]] == [True, False]


def test_the_counters_of_a_container_that_ended_by_itself_are_missing(play):
    play.see(pod(kind="LISTED"), pod(restarts=1))

    logs, metrics = play.end()["heard"]

    assert (logs["whole"], metrics["whole"]) == (True, False)


def test_who_does_not_answer_is_named_and_harms_nobody(play, way):
    way.silent.add("b")
    play.see(pod(kind="LISTED"), pod("b", "LISTED"))

    found = play.end()

    assert [each["pod"] for each in found["log"]] == ["a"]
    assert found["heard"][0]["detail"] == "pods that could not be asked: b"


def test_who_takes_too_long_is_not_waited_for():
    answer = threading.Event()

    class Slow(Pods):
        def metrics(self, pod: Pod) -> str:
            assert answer.wait(10)
            return ""

    listener = Listener(Slow(), since_s=SINCE_S)
    listener.see([pod(kind="LISTED")])

    pods = listener.finish(bound_s=0.01)
    heard = [each for each in told(pods, since_s=SINCE_S, now=0, at=int) if not each["whole"]]

    answer.set()
    assert [each["what"] for each in heard] == ["logs", "metrics"]


def test_a_migration_has_a_log_and_no_counters(play, way):
    play.see(pod("m", "ADDED", app="migrate"))
    play.see(pod("other", "LISTED", app="postgres"))

    found = play.end()

    assert way.asked == [("log", "m")]
    assert [each["whole"] for each in found["heard"]] == [True, True]


def test_logs_that_stay_are_read_once_also_of_pods_that_are_gone():
    way = Pods(logs_stay=True)
    play = Play(way)
    play.see(pod(kind="ADDED"), pod(terminating=True))
    play.see(pod(kind="DELETED"))

    found = play.end()

    assert way.asked == [("metrics", "a"), ("log", "a")]
    assert found["log"][0]["count"] == 1


def test_a_twins_pod_has_a_file_for_each_container(tmp_path):
    (tmp_path / "a.0.log").write_bytes(b"one\n\xff\n")
    (tmp_path / "a.1.log").write_bytes(b"two\n")
    (tmp_path / "m.log").write_bytes(b"three\n")
    way, play = TwinWay(tmp_path), Play(Pods())
    play.see(pod(kind="ADDED", restarts=2), pod("m", app="migrate"))

    service, migration = (way.log(each, 0) for each in play.listener._pods.values())

    assert service == [(None, "one\n"), (None, "\ufffd\n"), (None, "two\n")]
    assert migration == [((tmp_path / "m.log").stat().st_mtime, "three\n")]


def test_the_kubelets_time_is_split_from_the_line():
    assert entry_of("2026-01-31T12:00:01.123456789Z Error: x") == (SINCE_S + 1.123456, "Error: x")
    assert entry_of("2026-01-31T14:00:01+02:00 x") == (SINCE_S + 1, "x")
    assert entry_of("no time") == (None, "no time")


@dataclass
class Api:
    """An API server that has these logs, under what is asked with the path."""

    logs: dict[str, str]
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def text(self, path: str, query: Any = ()) -> str:
        self.asked.append((path, dict(query)))
        which = "previous" if "previous" in dict(query) else "current"
        if which not in self.logs:
            raise RequestRefused("previous terminated container not found", status=400)
        return self.logs[which]


def restarted(restarts: int) -> Pod:
    return Pod("a", "chirps", "v1", Watched(new=True), restarts=restarts)


def texts(api: Api, pod: Pod, since_s: float = SINCE_S) -> list[str]:
    return [text for _, text in ClusterWay(cast(Client, api)).log(pod, since_s)]


def test_a_cluster_is_asked_for_the_container_before_as_well_when_there_was_one():
    api = Api({"previous": "2026-01-31T12:00:01Z one", "current": "2026-01-31T12:00:02Z two"})

    assert texts(api, restarted(0)) == ["two"]
    assert texts(api, restarted(1)) == ["one", "two"]


def test_a_container_before_that_is_forgotten_is_no_failure_and_a_pod_that_is_gone_is():
    assert texts(Api({"current": "2026-01-31T12:00:02Z two"}), restarted(1)) == ["two"]
    with pytest.raises(RequestRefused):
        texts(Api({}), restarted(0))


def test_what_a_cluster_answers_again_is_left_out():
    api = Api({"current": "2026-01-31T12:00:01.2Z one\n2026-01-31T12:00:01.4Z two"})

    assert texts(api, restarted(0), SINCE_S + 1.3) == ["two"]
    assert api.asked[0][1]["sinceTime"] == "2026-01-31T12:00:01Z"


def test_the_counters_of_a_clusters_pod_come_by_the_proxy_of_the_api_server():
    api = Api({"current": "x 1"})

    assert ClusterWay(cast(Client, api)).metrics(restarted(0)) == "x 1"
    assert api.asked[0][0].endswith("/pods/a:8080/proxy/metrics")
