"""How many requests a second, who answered, how it ended, how late: counted as they come.

A run brings hundreds of requests a second, and whoever looks on wants the sum of them twice a
second. So each is counted once, when it comes, into the second in which it was due. Where second
0 lies is known only from the first fault on; what is needed to count anew is kept, 18 bytes a
request.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from lab.report.clean import clean
from lab.scenario import stats
from lab.scenario.events import NS, Event

NOBODY = ""
"""Who answered, when nobody did: refused, timed out, cut off before a header came."""

Answer = tuple[str, bool]
"""The release that answered, and whether the request failed."""

Way = tuple[str, str, str, str]
"""How a request failed: release, SQLSTATE, endpoint, outcome."""

# A broken program may name itself anew with each answer; nobody reads a thousand names.
MOST_ANSWERS = 60
_OTHERS = "others"


def is_failure(event: Event) -> bool:
    return bool(event["outcome"] != "ok")


def release_of(event: Event) -> str:
    return clean(event.get("release"), longest=40) or NOBODY


@dataclass(slots=True)
class Second:
    """What was due in one second; latencies in milliseconds."""

    counts: Counter[Answer] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    _percentiles: tuple[float, float, float] | None = None

    def add(self, answer: Answer, latency_ms: float) -> None:
        self.counts[answer] += 1
        self.latencies.append(latency_ms)
        self._percentiles = None

    @property
    def percentiles(self) -> tuple[float, float, float]:
        """Return p50, p99 and the highest."""
        if self._percentiles is None:
            self.latencies.sort()
            p50, p99, most = (stats.percentile(self.latencies, at) for at in (0.5, 0.99, 1.0))
            self._percentiles = (p50, p99, most)
        return self._percentiles


class Requests:
    """All requests so far. `first` and `last` are the earliest and latest time one was due, in ns.

    A failure counts from the moment its user saw it: `first_failure` ended first.
    """

    def __init__(self) -> None:
        self.total = self.failures = 0
        self.first: int | None = None
        self.last: int | None = None
        self.first_failure: Event | None = None
        self.last_failure: Event | None = None
        self.ways: Counter[Way] = Counter()
        self._due, self._ended, self._answered = array("q"), array("q"), array("H")
        self._answers: dict[Answer, int] = {}
        self._origin = 0
        self._seconds: dict[int, Second] = defaultdict(Second)

    def add(self, event: Event) -> None:
        t, done, failed = event["t"], event["done"], is_failure(event)
        self.total += 1
        self.first = t if self.first is None else min(self.first, t)
        self.last = t if self.last is None else max(self.last, t)
        if failed:
            self._add_failure(event)
        answer = self._known((release_of(event), failed))
        self._due.append(t)
        self._ended.append(done)
        self._answered.append(self._answers[answer])
        self._count(t, done, answer)

    def _known(self, answer: Answer) -> Answer:
        if answer not in self._answers and len(self._answers) >= MOST_ANSWERS:
            answer = (_OTHERS, answer[1])
        self._answers.setdefault(answer, len(self._answers))
        return answer

    def _add_failure(self, event: Event) -> None:
        self.failures += 1
        first, last = self.first_failure, self.last_failure
        if first is None or _ended(event) < _ended(first):
            self.first_failure = event
        if last is None or _ended(event) > _ended(last):
            self.last_failure = event
        way = (
            release_of(event),
            clean(event.get("sqlstate")),
            clean(event["endpoint"]),
            clean(event["outcome"]),
        )
        if way in self.ways or len(self.ways) < MOST_ANSWERS * 10:
            self.ways[way] += 1

    def _count(self, t: int, done: int, answer: Answer) -> None:
        self._seconds[(t - self._origin) // NS].add(answer, (done - t) / 1e6)

    def lay(self, origin: int) -> None:
        """Let second 0 begin at `origin`, in ns; counts anew where it began elsewhere."""
        if origin == self._origin:
            return
        self._origin, self._seconds = origin, defaultdict(Second)
        answers = list(self._answers)
        for t, done, number in zip(self._due, self._ended, self._answered, strict=True):
            self._count(t, done, answers[number])

    def second(self, number: int) -> Second | None:
        """Return what was due in a second, counted from `origin`; None where nothing was."""
        return self._seconds.get(number)

    @property
    def answers(self) -> tuple[Answer, ...]:
        return tuple(self._answers)

    def before(self, number: int) -> Iterator[Second]:
        """Yield the seconds before `number`."""
        return (each for place, each in self._seconds.items() if place < number)


def _ended(event: Event) -> tuple[int, int]:
    return event["done"], event["t"]
