"""What becomes of a service that is told to stop while it still imports its own code?

It has let nobody in, so there is nothing to finish: it ends with 0, as it does later. Left alone
it would die of the signal with what looks like a crash; and as the first process of a
container it would not hear it at all, and be killed when its grace period is over (kernel,
pid_namespaces(7)). What comes before this, the start of the interpreter itself, stays so.

Not so what migrates or fills: ending with 0 would say that it is done.
"""

import os
import signal
from collections.abc import Sequence

SERVE = "serve"


def leave_in_order(arguments: Sequence[str]) -> None:
    """Have SIGTERM end a process that is to serve, until serving itself takes the signal."""
    if SERVE in arguments[:1]:
        signal.signal(signal.SIGTERM, leave)


def leave(number: int, frame: object) -> None:
    # At once: an exception could be swallowed by whatever is being imported.
    os._exit(0)
