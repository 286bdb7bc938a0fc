"""Somebody else's sessions on the twin's database, each in a thread of this process."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from lab.errors import TwinFailed
from lab.postgres import backends

ENDED_WITHIN_S = 10.0
FAILED, ENDED = "failed", "ended"

Connect = Callable[[str], "psycopg.Connection[Any]"]
"""Return a new connection of that application_name, outside of a transaction."""
Tell = Callable[[str, str], None]
"""Is told `what` became of a session, and a message."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Run `sql` in a transaction, and keep it open for `seconds`, or with None until the end."""

    application: str
    sql: str
    seconds: float | None
    idle: bool


@dataclass(slots=True)
class _Held:
    thread: threading.Thread
    over: threading.Event = field(default_factory=threading.Event)


class Sessions:
    """Those that are held, by application_name; `end_backends` ends one on the server's side."""

    def __init__(self, connect: Connect, end_backends: Callable[[str], object]) -> None:
        self._connect = connect
        self._end_backends = end_backends
        self._held: dict[str, _Held] = {}

    def hold(self, wish: Wish, tell: Tell) -> None:
        """Begin the session and return; `tell` is called from its thread when it has ended.

        Raises TwinFailed where there is one of that name.
        """
        if (found := self._held.get(wish.application)) and found.thread.is_alive():
            raise TwinFailed(f"there is a session {wish.application} already")
        over = threading.Event()
        thread = threading.Thread(
            target=self._live, args=(wish, over, tell), name=wish.application, daemon=True
        )
        self._held[wish.application] = _Held(thread, over)
        thread.start()

    def end(self, application: str) -> None:
        """End the session of that name, and return when it is gone. None there is fine."""
        held = self._held.pop(application, None)
        if held is None:
            return
        held.over.set()
        held.thread.join(0.2)
        if held.thread.is_alive():
            self._end_backends(application)
            held.thread.join(ENDED_WITHIN_S)
        if held.thread.is_alive():
            raise TwinFailed(f"session {application} did not end within {ENDED_WITHIN_S:g} s")

    def close(self) -> None:
        """Let go of all; what does not end ends with the database."""
        for application in tuple(self._held):
            with suppress(Exception):
                self.end(application)

    def _live(self, wish: Wish, over: threading.Event, tell: Tell) -> None:
        what = FAILED
        try:
            with self._connect(wish.application) as connection:
                connection.execute(b"BEGIN")
                connection.execute(wish.sql.encode())
                what = ENDED
                keep_open(connection, wish, over)
                connection.execute(b"ROLLBACK")
        except psycopg.Error as exc:
            if not over.is_set():
                tell(what, spell(exc))
        else:
            tell(ENDED, "rolled back")


def keep_open(connection: "psycopg.Connection[Any]", wish: Wish, over: threading.Event) -> None:
    if wish.idle:
        over.wait(backends.LONGEST_HOLD_S if wish.seconds is None else wish.seconds)
    elif not over.is_set():
        connection.execute(backends.hold_active(wish.seconds).encode())


def spell(error: psycopg.Error) -> str:
    """Return the first line of what PostgreSQL said, with its code."""
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return said + (f" (SQLSTATE {error.sqlstate})" if error.sqlstate else "")
