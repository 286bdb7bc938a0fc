"""Show a stored run again, at one to twenty times its speed."""

import time
from collections.abc import Callable
from typing import Any

from lab.errors import InvalidValue
from lab.live.playhead import Playhead
from lab.live.tape import Tape
from lab.report import frame, page, stored, view
from lab.report.frame import Frame

CAN = ("pause", "speed", "seek", "step")


class Replay:
    """A show of a stored run: its variants one after the other, and then side by side."""

    def __init__(
        self, run: stored.StoredRun, *, speed: int = 1, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._run, self._now = run, now
        self._tapes = [Tape(each) for each in run.variants]
        self._place = 0
        self._head = Playhead(self._tapes[0].length_s, now(), speed)
        self._shown: tuple[Any, ...] | None = None
        self._done: list[view.VariantView] = []

    def frame(self) -> Frame | None:
        second = self._head.move(self._now())
        if self._head.is_over and self._place + 1 < len(self._tapes):
            self._turn_to(self._place + 1)
            second = 0.0
        # Twice a second is as often as anybody looks.
        half = int(second * 2)
        state = (self._place, half, self._head.is_over, self._head.paused, self._head.speed)
        if state == self._shown:
            return None
        self._shown = state
        return self._frame(second)

    def _turn_to(self, place: int) -> None:
        # Those that were seen to their end stand beside what comes next, with their verdicts.
        self._done = [tape.whole() for tape in self._tapes[:place]]
        self._place = place
        length_s = self._tapes[place].length_s
        self._head = Playhead(length_s, self._now(), self._head.speed, self._head.paused)

    def _frame(self, second: float) -> Frame:
        tape, is_last = self._tapes[self._place], self._place + 1 == len(self._tapes)
        now = tape.whole() if self._head.is_over else tape.at(second)
        shown = view.assemble(self._run.name, self._told(), (*self._done, now), self._run.damage)
        return {
            **frame.frame(shown, active=tape.name),
            "mode": "replay",
            "can": list(CAN),
            "both": is_last and self._head.is_over,
            "clock": {
                "speed": self._head.speed,
                "paused": self._head.paused,
                "second": round(second),
                "length": round(self._head.length_s),
            },
        }

    def _told(self) -> dict[str, Any]:
        begun = next((view.begun_as(each.events) for each in self._run.variants), {})
        return {**begun, **self._run.run}

    def act(self, what: str, value: Any) -> None:
        now = self._now()
        match what:
            case "pause":
                self._head.pause(now)
            case "speed" if value in (-1, 1):
                self._head.faster(value, now)
            case "seek" if type(value) is int and abs(value) <= 3600:
                self._seek(value, now)
            case "step":
                self._step(now)
            case _:
                raise InvalidValue(f"a replay cannot be told to {what!r} {value!r}")

    def _seek(self, by_s: int, now: float) -> None:
        if by_s < 0 and self._head.move(now) < 1 and self._place > 0:
            self._turn_to(self._place - 1)
            self._head.position_s = max(self._head.length_s + by_s, 0.0)
            return
        self._head.seek(by_s, now)

    def _step(self, now: float) -> None:
        """Go to where the next fault is requested, or to the end."""
        position_s = self._head.move(now)
        faults = self._tapes[self._place].faults
        to_come = [second for second, _ in faults if second > position_s + 0.001]
        self._head.position_s = min([*to_come, self._head.length_s])

    def notes(self) -> dict[str, Any]:
        return {}

    def report(self) -> str:
        return page.render(view.build(self._run))
