"""Take back what was injected: newest first, each within its own time, whatever happens.

One recovery that fails or hangs must not keep the others from being tried. Ctrl-C waits
until all were tried, since the time of each is bounded. What could not be taken back
stays open in the undo log, for the next reset.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from lab.scenario import interruption
from lab.scenario.stage import Fault, Stage, TakesItsTime, UndoLog

Tell = Callable[[str, str, str], None]
"""Record about a fault: its name, what (recovered or failed), detail."""


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was, or may have been, injected; `entry` is its number in the undo log."""

    fault: Fault
    entry: int


def recover(
    injected: list[Injected], stage: Stage, undo_log: UndoLog, *, tell: Tell, within_s: float
) -> None:
    """Recover all of `injected`, emptying it. An interruption is passed on afterwards.

    Each may take `within_s`, or what it asks for itself.
    """
    with interruption.held():
        while injected:
            each = injected.pop()
            bound_s = within(each.fault, within_s)
            problem = _attempt(each.fault, stage, bound_s) or _close(undo_log, each)
            tell(each.fault.name, "failed" if problem else "recovered", problem or "")


def within(fault: Fault, usual_s: float) -> float:
    """Return how long recovering `fault` may take, in seconds."""
    return fault.recovery_s if isinstance(fault, TakesItsTime) else usual_s


def _attempt(fault: Fault, stage: Stage, within_s: float) -> str | None:
    """Recover in a thread, so that it can be left behind when it hangs; return the problem."""
    result: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            fault.recover(stage)
        except Exception as exc:
            # Whatever goes wrong in one recovery is told; the others still have to run.
            result.put(str(exc) or repr(exc))
        else:
            result.put(None)

    threading.Thread(target=attempt, name=f"recover {fault.name}", daemon=True).start()
    try:
        return result.get(timeout=within_s)
    except queue.Empty:
        return f"not recovered within {within_s:g} s"


def _close(undo_log: UndoLog, each: Injected) -> str | None:
    try:
        undo_log.undone(each.entry)
    except Exception as exc:
        # The change was taken back. The entry stays open, and taking back twice is allowed.
        return f"recovered, but the undo log could not be written: {exc}"
    return None
