"""Which release works on which schema? Measured with the code of each release."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection
from typing_extensions import override

from lab.chirps import releases
from lab.chirps.chirp import Chirp, Listing, NewChirp, Sort
from lab.chirps.database import Database
from lab.chirps.releases import Release

OK, NULL = "ok", "null"
NEWEST = "SELECT max(id) FROM chirps WHERE author_id = 1"
REMOVE = "DELETE FROM chirps WHERE id = ANY(%s)"


class OneConnection(Database):
    """A database without a pool."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._only = connection

    @override
    async def rows(self, statement: str, parameters: Any = (), **_: Any) -> list[Any]:
        cursor = await self._only.execute(statement, parameters)
        return await cursor.fetchall()

    @override
    async def row(self, statement: str, parameters: Any = (), **_: Any) -> Any:
        cursor = await self._only.execute(statement, parameters)
        return await cursor.fetchone()


@dataclass(frozen=True, slots=True)
class Found:
    """What the endpoints of one release ended with: ok, null for a text that is not there, or
    an SQLSTATE. `wrote` is the id of the chirp that was created.
    """

    list: str
    get: str
    create: str
    delete: str
    wrote: int | None

    @property
    def word(self) -> str:
        """`reading/writing`, or one word where both are the same; deleting names no column."""
        assert (self.list, self.delete) == (self.get, OK)
        return self.get if self.get == self.create else f"{self.get}/{self.create}"


@dataclass(frozen=True, slots=True)
class Measured:
    """On one schema: what each release can do alone, and what it reads of another's chirp."""

    found: Mapping[str, Found]
    reads: Mapping[tuple[str, str], str]


async def measure(parameters: Mapping[str, Any], codes: Sequence[str]) -> Measured:
    """Try each release on a database with chirps of user 1, the oldest of which stays.

    What is written is removed again, or the next file might rightly refuse to go on.
    """
    async with await AsyncConnection.connect(**parameters, autocommit=True) as connection:
        database = OneConnection(connection)
        loaded = {code: releases.load(code) for code in codes}
        found = {code: await use(release, database) for code, release in loaded.items()}
        reads = {
            (reader, writer): await read(release, database, each.wrote)
            for reader, release in loaded.items()
            for writer, each in found.items()
            if each.wrote is not None
        }
        await connection.execute(REMOVE, (list({each.wrote for each in found.values()}),))
        return Measured(found, reads)


async def use(release: Release, database: Database) -> Found:
    row = await database.row(NEWEST)
    assert row is not None
    listed = await outcome(list_one(release, database))
    got = await read(release, database, 1)
    deleted = await outcome(release.delete_chirp(database, row[0], 1))
    try:
        new = await release.create_chirp(database, NewChirp(2, "new", uuid4()))
    except psycopg.Error as error:
        return Found(listed, got, str(error.sqlstate), deleted, None)
    assert new.body == "new"
    return Found(listed, got, OK, deleted, new.id)


async def list_one(release: Release, database: Database) -> Chirp:
    (chirp,) = await release.list_chirps(database, Listing(1, Sort.ASC, 1))
    return chirp


async def read(release: Release, database: Database, chirp_id: int) -> str:
    return await outcome(release.get_chirp(database, chirp_id))


async def outcome(asked: Any) -> str:
    try:
        result = await asked
    except psycopg.Error as error:
        return str(error.sqlstate)
    assert result
    return NULL if isinstance(result, Chirp) and result.body is None else OK
