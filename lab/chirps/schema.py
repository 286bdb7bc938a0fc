"""Which schema version does the database have, as this pod last saw it?

Asked in the background once a second, so that every answer can name it at no cost. While
the database does not answer, the last value stays, and its age tells. The version is that
of goose: the highest version that is applied.
"""

import asyncio
import logging
import time
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from lab.chirps.database import Database

logger = logging.getLogger(__name__)

EVERY_S = 1.0
STATEMENT = "SELECT max(version_id) FROM goose_db_version WHERE is_applied"
UNDEFINED_TABLE = "42P01"


@dataclass(slots=True)
class Schema:
    """`version` is None until it was seen once; `seen` is time.monotonic()."""

    version: int | None = None
    seen: float | None = None

    def learn(self, version: int, now: float) -> None:
        if version != self.version:
            logger.info("schema version", extra={"schema": version, "before": self.version})
        self.version, self.seen = version, now

    def age_s(self, now: float) -> float | None:
        return None if self.seen is None else now - self.seen

    @property
    def header(self) -> str:
        return "" if self.version is None else str(self.version)


async def watch(schema: Schema, database: Database) -> None:
    """Ask again and again; never returns."""
    while True:
        await refresh(schema, database)
        await asyncio.sleep(EVERY_S)


async def refresh(schema: Schema, database: Database) -> None:
    """Ask once, for at most a second: a full pool or a dead server must not hold it up."""
    try:
        async with asyncio.timeout(EVERY_S):
            row = await database.row(STATEMENT, timeout_s=EVERY_S)
    except (psycopg.Error, TimeoutError) as error:
        logger.debug("schema version not seen", extra={"error": str(error)})
        return
    version = version_in(row)
    if version is not None:
        schema.learn(version, time.monotonic())


def version_in(row: TupleRow | None) -> int | None:
    return None if row is None else row[0]
