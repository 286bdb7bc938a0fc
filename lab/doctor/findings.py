"""What is a finding, and how are many preconditions looked at at once within a bound?"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.errors import LabError, ToolMissing


@dataclass(frozen=True, slots=True)
class Finding:
    """One precondition: what was seen, and if it fails the command that fixes it.

    Where no command can fix it, `fix` names what is missing. What is not `required`
    is advice, or needed only by some scenarios.
    """

    name: str
    ok: bool
    detail: str
    fix: str | None = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class Check:
    """A look at the host that has not been taken yet."""

    name: str
    look: Callable[[], Finding]
    required: bool = True

    def failed(self, reason: str, *, fix: str = "lab doctor") -> Finding:
        return Finding(self.name, False, reason, fix, self.required)


def look_at_all(checks: Sequence[Check], *, within_s: float) -> list[Finding]:
    """Return one finding a check, in their order; none can stop or delay the others.

    The threads are daemons: one that hangs in the kernel is left behind rather than
    waited for.
    """
    seen: dict[str, Finding] = {}

    def look(check: Check) -> None:
        seen[check.name] = _look(check)

    deadline = time.monotonic() + within_s
    threads = [threading.Thread(target=look, args=(c,), daemon=True) for c in checks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"no answer within {within_s:g} s"
    return [seen.get(check.name) or check.failed(late) for check in checks]


def _look(check: Check) -> Finding:
    try:
        return check.look()
    except ToolMissing as exc:
        return check.failed(f"could not be checked: {exc.message}", fix="lab doctor --fix")
    except LabError as exc:
        return check.failed(f"could not be checked: {one_line(exc.message)}")
    except Exception as exc:
        # Whatever goes wrong in one check is that check's finding, not the end of the others.
        return check.failed(f"could not be checked: {one_line(repr(exc))}")


def one_line(text: str) -> str:
    return " ".join(text.split())
