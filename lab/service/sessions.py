"""Somebody else's sessions on the lab's database: psql in the database's pod, held open.

psql reads its statements from a pipe of this process. One that is idle ends when the pipe does,
so also when this process is killed; one that is active ends by its own bound, or by
`pg_terminate_backend`.
"""

import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from lab.errors import ServiceError, ServiceNotReady
from lab.lifecycle.access import kubectl_program
from lab.lifecycle.lab import Lab
from lab.postgres import backends
from lab.postgres.roles import DATABASE
from lab.service.database import Database, exec_command, psql_arguments, refused

ENDED_WITHIN_S = 10.0
FAILED, ENDED = "failed", "ended"
BEGUN = "begun"

Tell = Callable[[str, str], None]
"""Is told `what` became of a session, and a message."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Run `sql` in a transaction, and keep it open for `seconds`, or with None until the end."""

    application: str
    sql: str
    seconds: float | None
    idle: bool

    @property
    def script(self) -> str:
        """Return what psql is given at once; it says BEGUN when `sql` has been run."""
        # Rows go nowhere: nobody looks at them.
        begin = f"\\o /dev/null\nBEGIN;\n{self.sql};\n\\echo {BEGUN}\n"
        return begin if self.idle else f"{begin}{backends.hold_active(self.seconds)}\nROLLBACK;\n"


@dataclass(slots=True)
class _Held:
    process: "subprocess.Popen[str]"
    over: threading.Event


class Sessions:
    """Those that this process holds, by application_name."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._held: dict[str, _Held] = {}

    def hold(self, wish: Wish, tell: Tell) -> None:
        """Begin the session and return; `tell` is called from a thread when it has ended.

        Raises ServiceNotReady where there is one of that name.
        """
        if (found := self._held.get(wish.application)) and found.process.poll() is None:
            raise ServiceNotReady(f"there is a session {wish.application} already")
        held = _Held(self._begin(wish.application), threading.Event())
        self._held[wish.application] = held
        threading.Thread(
            target=_follow, args=(wish, held, tell), name=wish.application, daemon=True
        ).start()

    def end(self, application: str) -> None:
        """End all sessions of that name, whoever began them, and return when they are gone.

        Raises DatabaseRefused when the database cannot be asked.
        """
        held = self._held.pop(application, None)
        if held is not None:
            held.over.set()
        Database(self._lab).run(backends.terminate_named(application))
        if held is not None:
            _wait(held.process)

    def close(self) -> None:
        """Let go of all; what is left ends by its own bound."""
        for application in tuple(self._held):
            with suppress(ServiceError):
                self.end(application)

    def _begin(self, application: str) -> "subprocess.Popen[str]":
        kubectl, environment = kubectl_program(self._lab)
        psql = psql_arguments(f"dbname={DATABASE} application_name='{application}'")
        flags = ["--quiet", "--no-align", "--tuples-only"]
        errors = ["--set=ON_ERROR_STOP=1", "--set=VERBOSITY=verbose", "--file=-"]
        return subprocess.Popen(
            exec_command(kubectl, [*psql, *flags, *errors]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            # Ctrl-C on the terminal is for the run, which then recovers.
            start_new_session=True,
        )


def _follow(wish: Wish, held: _Held, tell: Tell) -> None:
    """Give psql its statements, and tell how it ended; what it says is little."""
    process = held.process
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.write(wish.script)
        process.stdin.flush()
        if wish.idle:
            _idle(wish, held)
            process.stdin.write("ROLLBACK;\n")
        process.stdin.close()
    process.stdin = None
    out, err = process.communicate()
    if held.over.is_set():
        return
    if process.returncode == 0:
        tell(ENDED, "rolled back")
    else:
        tell(ENDED if BEGUN in out.splitlines() else FAILED, refused(err).message)


def _idle(wish: Wish, held: _Held) -> None:
    """Return when the time is up, it is to end, or psql has ended by itself."""
    rest = backends.LONGEST_HOLD_S if wish.seconds is None else wish.seconds
    while rest > 0 and held.process.poll() is None and not held.over.wait(min(rest, 0.2)):
        rest -= 0.2


def _wait(process: "subprocess.Popen[str]") -> None:
    try:
        process.wait(ENDED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
