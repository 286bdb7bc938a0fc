"""Show runs while they are written: one of them, or always the newest."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab.errors import InvalidValue
from lab.report import frame, page
from lab.report.follow import Follower
from lab.report.frame import Frame
from lab.report.view import NO_VERDICT
from lab.store import Run, Store

# A directory is listed this often, to see whether a run has begun.
LOOK_EVERY_S = 1.0
SILENT_FROM_S = 5
TO_COME = "waiting for the run to begin"


@dataclass(slots=True)
class LookOn:
    """A show of `run`, or of the newest run of `store` where it is None.

    While nothing new comes, the frame tells for how many seconds.
    """

    store: Store
    run: Run | None = None
    now: Callable[[], float] = time.monotonic
    _follower: Follower | None = None
    _looked: float = float("-inf")
    _heard: float = 0.0
    _shown: Frame | None = field(default=None)

    def frame(self) -> Frame | None:
        now = self.now()
        self._find(now)
        if self._follower is None:
            return {"waiting": "no run yet; lab scenario run begins one", "mode": "live"}
        if self._follower.read() or self._shown is None:
            self._heard = now
            self._shown = self._look(self._follower)
        return {**self._shown, "mode": "live", "silent_s": self._silent_s(now)}

    def _look(self, follower: Follower) -> Frame:
        shown = {
            **frame.frame(follower.view(), active=follower.latest),
            "heard": follower.heard,
        }
        # Service and data are being reset; nothing of the run is written until then.
        return shown if shown["variants"] else {**shown, "waiting": TO_COME}

    def _silent_s(self, now: float) -> int:
        """Return whole seconds, so that not every look is another frame; 0 once the run is over."""
        active = self._follower.latest if self._follower else ""
        shown = self._shown["variants"] if self._shown else ()
        going = not shown or any(
            each["name"] == active and each["outcome"] == NO_VERDICT for each in shown
        )
        silent = int(now - self._heard)
        return silent if going and silent >= SILENT_FROM_S else 0

    def _find(self, now: float) -> None:
        if now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        run = self.run or next(iter(self.store.runs()), None)
        if run and (self._follower is None or self._follower.directory != run.path):
            self._follower, self._shown = Follower(run.path), None

    def act(self, what: str, value: Any) -> None:
        raise InvalidValue(f"a run that goes on cannot be told to {what!r}")

    def notes(self) -> dict[str, Any]:
        return {}

    def report(self) -> str | None:
        if self._follower is None or not self._follower.latest:
            return None
        return page.render(self._follower.view())
