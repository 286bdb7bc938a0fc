"""Take back what was injected: newest first, each within its own time, whatever happens.

One recovery that fails or hangs must not keep the others from being tried. Ctrl-C is
remembered and not obeyed until all were tried, since the time of each is bounded. What
could not be taken back stays open in the undo log, for the next reset.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.errors import Interrupted
from lab.scenario.stage import Fault, Stage, UndoLog

Tell = Callable[[str, str, str], None]
"""Record about a fault: its name, what (recovered or failed), detail."""


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was, or may have been, injected; `entry` is its number in the undo log."""

    fault: Fault
    entry: int


def recover(
    injected: list[Injected], stage: Stage, undo_log: UndoLog, *, tell: Tell, within_s: float
) -> BaseException | None:
    """Recover all of `injected`, emptying it; return the interruption that came meanwhile."""
    interruption: BaseException | None = None
    while injected:
        each = injected.pop()
        attempt = _Attempt(each, stage)
        interruption = attempt.wait(within_s) or interruption
        problem = attempt.problem
        if problem is None:
            problem = _close(undo_log, each)
        tell(each.fault.name, "failed" if problem else "recovered", problem or "")
    return interruption


def _close(undo_log: UndoLog, each: Injected) -> str | None:
    try:
        undo_log.undone(each.entry)
    except Exception as exc:
        # The change was taken back. The entry stays open, and taking back twice is allowed.
        return f"recovered, but the undo log could not be written: {exc}"
    return None


class _Attempt:
    """One recovery in a thread of its own, so that it can be left behind when it hangs."""

    def __init__(self, injected: Injected, stage: Stage) -> None:
        self._result: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.problem: str | None = None
        name = f"recover {injected.fault.name}"
        work = (injected.fault, stage)
        self._thread = threading.Thread(target=self._recover, args=work, name=name, daemon=True)

    def _recover(self, fault: Fault, stage: Stage) -> None:
        try:
            fault.recover(stage)
        except Exception as exc:
            # Whatever goes wrong in one recovery is told; the others still have to run.
            self._result.put(str(exc) or repr(exc))
        else:
            self._result.put(None)

    def wait(self, within_s: float) -> BaseException | None:
        self._thread.start()
        deadline = time.monotonic() + within_s
        interruption: BaseException | None = None
        while True:
            try:
                self.problem = self._result.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self.problem = f"not recovered within {within_s:g} s"
            except (KeyboardInterrupt, Interrupted) as exc:
                interruption = exc
                continue
            return interruption
