"""How does the gate look at the database? Read-only, without any lock but a reader's.

No table is made: where goose's is missing the version is 0. Not with goose's own status, which
would take the advisory lock where one is configured and then stand behind a long migration.
Both tables are read by one statement, so version and floor are of the same moment.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Set
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from lab.chirps import bounded
from lab.chirps.database import Database
from lab.chirps.gate import Away, Seen
from lab.chirps.reach import reason_in
from lab.chirps.settings import Settings

Look = Callable[[], Awaitable[Seen | Away]]
Ask = Callable[[str], Awaitable[TupleRow | None]]

BOUND_S = 1.0
LET_GO_S = 0.2
TABLES = """SELECT to_regclass('goose_db_version') IS NOT NULL,
    to_regclass('chirps_schema') IS NOT NULL"""
# The newest row of a version says whether it is applied; nothing keeps one from being there twice.
APPLIED = """(SELECT array_agg(version_id) FROM (
    SELECT DISTINCT ON (version_id) version_id, is_applied
    FROM goose_db_version ORDER BY version_id, id DESC) AS newest WHERE is_applied)"""
FLOOR = "(SELECT max(compat_floor) FROM chirps_schema)"
READ_ONLY = "-c timezone=UTC -c default_transaction_read_only=on"


def alone(asked: Settings, files: Set[int]) -> Look:
    """Return a look over a connection of its own, for as long as there is no pool."""

    async def look() -> Seen | Away:
        return await within_bound(ask_alone(asked, files))

    return look


def pooled(database: Database, files: Set[int]) -> Look:
    """Return a look that borrows a connection of the pool."""

    async def ask(statement: str) -> TupleRow | None:
        return await database.row(statement, timeout_s=BOUND_S)

    async def look() -> Seen | Away:
        return await within_bound(see(ask, files))

    return look


async def within_bound(look: Coroutine[Any, Any, Seen]) -> Seen | Away:
    """Wait a second for an answer; what keeps it from coming is a database that is away."""
    looking = asyncio.create_task(look)
    if not await bounded.ended(looking, BOUND_S):
        # A look that hangs closes its connection: there is never a second one beside it.
        await bounded.stop((looking,), LET_GO_S)
        return Away(f"no answer within {BOUND_S:g} s")
    try:
        return looking.result()
    except psycopg.Error as error:
        return Away(reason_in(error))


async def ask_alone(asked: Settings, files: Set[int]) -> Seen:
    keywords: dict[str, Any] = {
        **asked.database,
        "application_name": asked.application_name,
        "options": READ_ONLY,
    }
    async with await psycopg.AsyncConnection.connect(autocommit=True, **keywords) as connection:

        async def ask(statement: str) -> TupleRow | None:
            return await (await connection.execute(statement)).fetchone()

        return await see(ask, files)


async def see(ask: Ask, files: Set[int]) -> Seen:
    """Look once; `files` are the versions of the image. Raises psycopg.Error."""
    has_versions, has_floor = await ask(TABLES) or (False, False)
    applied = APPLIED if has_versions else "NULL::bigint[]"
    floor = FLOOR if has_floor else "NULL::int"
    versions, compat_floor = await ask(f"SELECT {applied}, {floor}") or (None, None)
    return compare(set(versions or ()), compat_floor, files)


def compare(applied: Set[int], floor: int | None, files: Set[int]) -> Seen:
    """Compare what is applied with the files; version 0 is the row every table begins with."""
    return Seen(
        version=max(applied, default=0),
        floor=floor,
        pending=tuple(sorted(files - applied)),
        ahead=tuple(sorted(applied - files - {0})),
    )
