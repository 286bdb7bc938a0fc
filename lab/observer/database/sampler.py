"""Sample the database at a steady rate over one connection that was made beforehand.

Made beforehand and as a role that may use reserved connections, so that a rollout which
takes all connections cannot blind it. When the database does not answer, the line says so
and why: never the last value again.

A `schema` line follows when the newest version is another one than before. Its time is
that of the commit, which PostgreSQL keeps for every transaction; where that is not known
(`track_commit_timestamp` off, a version that was taken back), it is the middle of the time
between the samples before and after. A commit is seen by others a moment after its
timestamp was taken: when it is on disk.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from lab.observer.database import password, queries
from lab.observer.database.clocks import Instant, Reading
from lab.observer.database.queries import Sample

NS = 1_000_000_000
ANSWER_WITHIN_S = 2.0

Write = Callable[[Mapping[str, Any]], None]


class Sampler:
    """Samples what `conninfo` names (libpq's environment and `password` fill in the rest)."""

    def __init__(self, write: Write, *, hz: float, conninfo: str = "") -> None:
        self._write = write
        self._period = round(NS / hz)
        self._conninfo = conninfo
        self._connection: AsyncConnection[DictRow] | None = None
        self._told: tuple[int, str] | None = None
        self._seen: int | None = None
        """When a sample last answered, and so when the version told before still held."""

    async def run(self, stop: asyncio.Event) -> None:
        """Sample until `stop`; a sample that is due while one goes on is left out."""
        begin = time.monotonic_ns()
        try:
            while not stop.is_set():
                await self.sample()
                past = time.monotonic_ns() - begin
                wait_s = (self._period - past % self._period) / NS
                await _wait(stop, wait_s)
        finally:
            await self.close()

    async def sample(self) -> None:
        """Take one sample and write its lines."""
        sent = time.monotonic_ns()
        try:
            found, reading = await self._take()
        except (psycopg.Error, OSError) as exc:
            await self.close()
            sqlstate = getattr(exc, "sqlstate", None)
            self._tell({"sent": sent, "error": _spell(exc), "sqlstate": sqlstate})
            return
        self._tell({"sent": sent, **found.as_line()})
        self._tell_schema(found, reading)
        self._seen = sent

    async def _take(self) -> tuple[Sample, Reading | None]:
        if self._connection is None:
            async with asyncio.timeout(queries.CONNECT_TIMEOUT_S):
                self._connection = await self._connect()
        asking = asyncio.create_task(_ask(self._connection))
        await asyncio.wait({asking}, timeout=ANSWER_WITHIN_S)
        if not asking.done():
            # Not cancelled: psycopg would then ask the server to cancel, and wait for a
            # server that has just shown that it does not answer.
            _hang_up(self._connection)
            await asyncio.wait({asking})
        return asking.result()

    def _tell(self, line: Mapping[str, Any]) -> None:
        self._write({"kind": "db", "t": time.monotonic_ns(), **line})

    def _tell_schema(self, found: Sample, reading: Reading | None) -> None:
        row = found.version
        if row is None or reading is None or self._told == (row["version"], row["writer"]):
            return
        at = _committed_at(row, reading, before=self._seen)
        self._told = (row["version"], row["writer"])
        if at is None:
            return
        self._write(
            {
                "kind": "schema",
                "t": at.t,
                "bound": at.bound,
                "version": row["version"],
                "floor": found.floor,
                "seen": reading.received,
            }
        )

    async def _connect(self) -> AsyncConnection[DictRow]:
        return await AsyncConnection.connect(
            self._conninfo,
            autocommit=True,
            row_factory=dict_row,
            # A statement that was prepared would fail when what it reads was replaced.
            prepare_threshold=None,
            application_name=queries.APPLICATION,
            connect_timeout=queries.CONNECT_TIMEOUT_S,
            options=queries.SETTINGS,
            password=password.from_file(),
        )

    async def close(self) -> None:
        """End the connection; the next sample makes another one."""
        if self._connection:
            await self._connection.close()
        self._connection = None


async def _ask(connection: AsyncConnection[DictRow]) -> tuple[Sample, Reading | None]:
    sent = time.monotonic_ns()
    versions = await queries.rows_if_table(connection, queries.SCHEMA)
    received = time.monotonic_ns()
    floors = await queries.rows_if_table(connection, queries.FLOOR)
    sample = Sample(
        version=versions[0] if versions else None,
        floor=floors[0]["floor"] if floors else None,
        sessions=await queries.rows(connection, queries.SESSIONS),
        blocked=(await queries.rows(connection, queries.BLOCKED))[0],
    )
    reading = Reading(sent, received, versions[0]["now"]) if versions else None
    return sample, reading


def _hang_up(connection: AsyncConnection[DictRow]) -> None:
    """End the connection below libpq, which then sees it as closed by the server."""
    with socket.socket(fileno=os.dup(connection.fileno())) as link:
        link.shutdown(socket.SHUT_RDWR)


def _committed_at(row: DictRow, reading: Reading, *, before: int | None) -> Instant | None:
    """Return when this became the newest version, None when that cannot be told at all.

    `before` is when another one still was, None if no other was seen. A row that is older
    than that became the newest when a newer one was taken back.
    """
    if row["committed"] is not None:
        committed = reading.map(row["committed"])
        if before is None or committed.t + committed.bound >= before:
            return committed
    if before is None:
        return None
    middle = (before + reading.received) // 2
    return Instant(middle, (reading.received - before + 1) // 2)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def _spell(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
