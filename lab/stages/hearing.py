"""Turn what pods told by themselves into lines of the history, and say what of it is missing."""

import time
from collections.abc import Callable, Iterator, Sequence

from lab.scenario import exposition, log_lines
from lab.scenario.events import NS, Event
from lab.scenario.exposition import Move
from lab.scenario.log_lines import Said
from lab.stages.listening import Listener, Pod, Way
from lab.stages.own_events import OwnEvents

LOGS, METRICS = "logs", "metrics"
MOST_MESSAGES = 200
MOST_METRICS = 200
MOST_NAMED = 3


class Hearing:
    """Of one run, from when the load is put on; `now` is the observer's clock in ns.

    Lines tell the time of a wall clock. It is this host's on a twin, and on a cluster that of a
    node, which may be off by as much as nodes' clocks differ.
    """

    def __init__(self, way: Way, now: Callable[[], int], own: OwnEvents) -> None:
        self._now = now
        self._own = own
        self._since_s = time.time()
        self._listener = Listener(way, since_s=self._since_s)

    def see(self, events: Sequence[Event]) -> None:
        self._listener.see(events)

    def end(self) -> None:
        """Ask all pods that are left, and tell what all have told."""
        pods = self._listener.finish()
        now, wall_s = self._now(), time.time()

        def at(moment_s: float) -> int:
            return now - int((wall_s - moment_s) * NS)

        self._own.put(told(pods, since_s=self._since_s, now=now, at=at))

    def close(self) -> None:
        self._listener.close()


def told(
    pods: Sequence[Pod], *, since_s: float, now: int, at: Callable[[float], int]
) -> Iterator[Event]:
    """Yield what `pods` have told as lines of a history.

    `now` is the observer's clock in ns, and `at` returns the same of seconds in Unix time.
    """
    # One that is still being asked is still being written to.
    heard = [pod for pod in pods if not pod.is_asked]
    messages, left_out = _messages(heard, since_s)
    for pod, said in messages[:MOST_MESSAGES]:
        yield _log(pod, said, at)
    for release, move, many in list(_moves(heard))[:MOST_METRICS]:
        yield _metric(release, move, many, now)
    left_out += sum(said.count for _, said in messages[MOST_MESSAGES:])
    deaf = [pod.name for pod in pods if pod.is_asked or not pod.is_heard]
    yield _heard(LOGS, "could not be asked", deaf, now, left_out)
    uncounted = [pod.name for pod in pods if pod.serves and not _is_counted(pod)]
    yield _heard(METRICS, "ended before they could be asked", uncounted, now)


def _is_counted(pod: Pod) -> bool:
    return pod.is_counted and not pod.lost and not pod.is_asked


def _messages(pods: Sequence[Pod], since_s: float) -> tuple[list[tuple[Pod, Said]], int]:
    gathered = [(pod, log_lines.gather(pod.entries, since_s=since_s)) for pod in pods]
    found = [(pod, said) for pod, each in gathered for said in each.said]
    found.sort(key=lambda each: each[1].first_s)
    return found, sum(each.left_out for _, each in gathered)


def _moves(pods: Sequence[Pod]) -> Iterator[tuple[str | None, Move, int]]:
    """Yield what moved, by release, with how many of its pods."""
    for release in dict.fromkeys(pod.release for pod in pods):
        of_it = [pod for pod in pods if pod.release == release]
        moves = exposition.added_up(move for pod in of_it for move in pod.watched.moves())
        yield from ((release, move, many) for move, many in moves)


def _log(pod: Pod, said: Said, at: Callable[[float], int]) -> Event:
    return {
        "kind": "log",
        "t": at(said.first_s),
        "last": at(said.last_s),
        "pod": pod.name,
        "release": pod.release,
        "level": said.level,
        "text": said.text,
        "count": said.count,
    }


def _metric(release: str | None, move: Move, many: int, now: int) -> Event:
    return {
        "kind": "metric",
        "t": now,
        "name": move.series.name,
        "type": move.kind,
        "labels": dict(move.series.labels),
        "release": release,
        "pods": many,
        "before": move.before,
        "after": round(move.after, 3),
    }


def _heard(what: str, why: str, missing: Sequence[str], now: int, left_out: int = 0) -> Event:
    """Say that it was listened, and what of it is missing."""
    named = ", ".join(missing[:MOST_NAMED])
    more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
    lacks = [f"pods that {why}: {named}{more}"] if missing else []
    lacks += [f"{left_out} lines beyond the limit"] if left_out else []
    whole = not lacks
    return {"kind": "heard", "t": now, "what": what, "whole": whole, "detail": "; ".join(lacks)}
