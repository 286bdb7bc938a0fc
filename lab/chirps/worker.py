"""What does a release do that nobody asked for? A background worker writes a row a second.

It stands for what runs in a process beside its requests: a scheduler, a queue's consumer. A
process that no Service sends requests to any more still does this, so who wants to know
whether an old release is gone has to ask the database. The row says who wrote it.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from lab.chirps.database import Database
from lab.chirps.errors import BadConfiguration
from lab.chirps.failures import explain
from lab.chirps.releases import Release

logger = logging.getLogger(__name__)

OFF = "off"
EVERY_S = 1.0
# Both the wait for a connection and for the answer: a row lost is not worth a pile of waiting.
BOUND_S = 2.0


@dataclass(slots=True)
class Work:
    """Rows `written`, and attempts that `failed`, the last one by `failure`.

    `failure` is the server's SQLSTATE, or what was wrong without one; None when the last
    attempt was good.
    """

    written: int = 0
    failed: int = 0
    failure: str | None = None

    def learn(self, failure: str | None) -> None:
        """Take in one attempt; a change from good to bad or to another failure is logged."""
        if failure is None:
            self.written += 1
        else:
            self.failed += 1
        if failure != self.failure:
            level = logging.INFO if failure is None else logging.WARNING
            logger.log(level, "worker", extra={"failure": failure, "written": self.written})
        self.failure = failure


def statement_of(release: Release, kind: str) -> str | None:
    """Return what the worker `kind` of `release` writes; None for the kind `off`.

    Raises BadConfiguration when the release has no worker of this kind.
    """
    if kind == OFF:
        return None
    kinds: Mapping[str, str] = getattr(release, "WORK", {})
    if kind not in kinds:
        here = ", ".join((OFF, *kinds))
        raise BadConfiguration([f"this release has no worker {kind!r} (it has {here})"])
    return kinds[kind]


async def watch(work: Work, database: Database, statement: str, *, author: str) -> None:
    """Write again and again, signed by `author`; never returns."""
    while True:
        await write(work, database, statement, author=author)
        await asyncio.sleep(EVERY_S)


async def write(work: Work, database: Database, statement: str, *, author: str) -> None:
    """Write one row, or learn why not."""
    text = f"row {work.written + 1} by the worker of {author}"
    failure = None
    try:
        async with asyncio.timeout(BOUND_S):
            row = await database.row(statement, {"text": text}, timeout_s=BOUND_S / 2)
        failure = None if row else "there is no user to write as"
    except TimeoutError:
        failure = f"no answer within {BOUND_S:g} s"
    except psycopg.Error as error:
        failure = error.sqlstate or explain(error).error
    work.learn(failure)
