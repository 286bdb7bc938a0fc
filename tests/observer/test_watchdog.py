"""A watchdog bites once, and not while it is fed; time is a number here."""

from collections.abc import Callable
from dataclasses import dataclass, field

from lab.observer.watchdog import Watchdog


@dataclass(slots=True)
class Timer:
    due: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass(slots=True)
class Timers:
    """The timers of an event loop, whose time passes when it is told to."""

    now: float = 1000.0
    timers: list[Timer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Timer:
        self.timers.append(Timer(self.now + delay, callback))
        return self.timers[-1]

    def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [each for each in self.timers if each.due <= end and not each.cancelled]:
            first = min(due, key=lambda each: each.due)
            self.timers.remove(first)
            self.now = first.due
            first.callback()
        self.now = end


def started(timers: Timers) -> tuple[Watchdog, list[float]]:
    """Return a watchdog of 120 seconds, and the times at which it bites."""
    watchdog, bites = Watchdog(120, timers=timers), []
    watchdog.start(lambda: bites.append(timers.now))
    return watchdog, bites


def test_a_watchdog_that_is_not_fed_bites_once() -> None:
    timers = Timers()
    _, bites = started(timers)

    timers.pass_by(1000)

    assert bites == [1120]


def test_each_time_it_is_fed_it_waits_anew() -> None:
    timers = Timers()
    watchdog, bites = started(timers)
    for _ in range(10):
        timers.pass_by(119)
        watchdog.feed()

    assert bites == []
    timers.pass_by(1000)
    assert bites == [1000 + 1190 + 120]


def test_food_from_before_the_start_does_not_count() -> None:
    timers = Timers()
    watchdog = Watchdog(120, timers=timers)
    timers.pass_by(500)
    bites: list[float] = []
    watchdog.start(lambda: bites.append(timers.now))

    timers.pass_by(200)

    assert bites == [1620]


def test_a_watchdog_that_was_stopped_does_not_bite() -> None:
    timers = Timers()
    watchdog, bites = started(timers)
    watchdog.stop()

    timers.pass_by(1000)

    assert bites == []


def test_started_anew_it_watches_the_new_only() -> None:
    timers = Timers()
    watchdog, bites = started(timers)
    timers.pass_by(100)
    others: list[float] = []
    watchdog.start(lambda: others.append(timers.now))

    timers.pass_by(1000)

    assert (bites, others) == ([], [1220])
