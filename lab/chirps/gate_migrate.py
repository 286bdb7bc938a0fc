"""Run the image's migrations at boot, for the gate `migrate`.

In a thread, because goose's statements are synchronous and probes must be answered meanwhile,
and in one that does not keep the process: when it is told to stop, the running statement is
cancelled, so that the database does not go on working for a pod that is gone, and what
does not end within a second is left behind.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

import psycopg

from lab import goose
from lab.chirps import migrate
from lab.chirps.admin import connect
from lab.chirps.errors import ChirpsError
from lab.chirps.settings import Settings

logger = logging.getLogger(__name__)

LAST_WORD_S = 1.0


class Run:
    """One run over all files of the image, on one connection named as a migration."""

    def __init__(self, asked: Settings) -> None:
        self._asked = asked
        self._connection: psycopg.Connection[Any] | None = None

    def apply(self) -> None:
        """Raise Refused when a file fails, NoRight, and CannotTell when the connection is lost."""
        files = migrate.collect(self._asked.track)
        options = goose.Options(lock=goose.Lock(self._asked.lock))
        with connect(self._asked) as connection, migrate.refusals(connection):
            self._connection = connection
            goose.up(connection, files, None, note, options=options)

    def interrupt(self) -> None:
        """Cancel the statement that runs, if any; from another thread."""
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.cancel_safe(timeout=LAST_WORD_S)


def note(event: goose.Event) -> None:
    logger.info("migration", extra={"migration": dict(event)})


async def apply(asked: Settings) -> None:
    """Apply what is pending; raises as Run.apply. Cancelled, it takes the running file back."""
    run = Run(asked)
    ended = in_thread(run.apply)
    try:
        await asyncio.shield(ended)
    except asyncio.CancelledError:
        run.interrupt()
        with contextlib.suppress(ChirpsError, TimeoutError):
            async with asyncio.timeout(LAST_WORD_S):
                await ended
        raise


def in_thread(work: Callable[[], None]) -> asyncio.Future[None]:
    """Start `work` in a thread that does not keep the process; asyncio.to_thread's does."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def settle(failure: Exception | None) -> None:
        if ended.done():
            return
        if failure is None:
            ended.set_result(None)
        else:
            ended.set_exception(failure)

    def run() -> None:
        failure = None
        try:
            work()
        except Exception as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(settle, failure)

    threading.Thread(target=run, name="migrate", daemon=True).start()
    return ended
