"""The pool: how does a pod reach the database, and how does it come back after a restart?

Statements run in autocommit. Each endpoint needs one statement, so a transaction around it
would add two round trips and nothing else, and what is answered with 201 is committed. The
price is told in psycopg's docs and is part of the lab: a prepared statement stays prepared
after it failed, because only a rollback clears the set.

The pool has a fixed size. A connection is looked at before it is used, so a restarted database
costs the requests that were in flight and no others.

Who waits for a connection hopes that one comes free. While the database is known to be away none
will, so the wait is cut short: the client learns soon what it would learn in any case, and those
who wait do not pile up. A pool that is merely busy keeps its whole wait.
"""

import asyncio
import select
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from lab.chirps.reach import Connection, Reach, connection_class
from lab.chirps.settings import Settings

Pool = AsyncConnectionPool[Connection]
Parameters = Sequence[Any] | dict[str, Any]

CONNECT_S = 3
# Long enough to meet a connection that is just coming back, short enough that a client is
# answered within 0.3 s.
AWAY_WAIT_S = 0.2
# psycopg_pool doubles its pause between attempts for as long as this says, and would wait up
# to two minutes after a long outage. So it gives up soon, and the next who asks the pool for a
# connection starts again; somebody asks every second (`lab.chirps.schema`).
RECONNECT_S = 3.0
# A peer that is gone without a word is noticed by the kernel: idle connections by keepalive,
# those with data on the way by the user timeout.
SILENT_PEER = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def make_pool(settings: Settings, reach: Reach) -> Pool:
    """Return a pool that is not open yet."""
    return AsyncConnectionPool(
        connection_class=connection_class(reach),
        kwargs={
            **settings.database,
            **SILENT_PEER,
            "application_name": settings.application_name,
            "connect_timeout": CONNECT_S,
            "options": "-c timezone=UTC",
            "autocommit": True,
        },
        min_size=settings.pool_size,
        max_size=settings.pool_size,
        timeout=settings.pool_timeout_s,
        reconnect_timeout=RECONNECT_S,
        open=False,
        name="chirps",
    )


async def is_alive(connection: Connection) -> bool:
    """Say whether the server still holds this connection.

    A server that goes away says so (FATAL 57P01, or the end of the stream), and one that has
    nothing to say leaves the socket empty. So looking at the socket does what the library's
    own check does with a round trip for every request; only where something waits to be
    read is that one asked.
    """
    try:
        poll = select.poll()
        poll.register(connection.pgconn.socket, select.POLLIN)
        if poll.poll(0):
            await AsyncConnectionPool.check_connection(connection)
    except psycopg.Error:
        return False
    return True


class Database:
    """What endpoints ask for: one statement, its rows.

    Raises NoConnection when none comes free in time, psycopg.Error with the server's SQLSTATE
    when it refuses.

    `is_away` says whether the database was away when it was looked at last; who looks at it sets
    it (`lab.chirps.dependencies`). Then whoever names no time of their own waits for a connection
    for AWAY_WAIT_S at most.
    """

    def __init__(self, pool: Pool, reach: Reach) -> None:
        self.pool = pool
        self.is_away: Callable[[], bool] = lambda: False
        self._reach = reach

    async def rows(
        self, statement: str, parameters: Parameters = (), *, timeout_s: float | None = None
    ) -> list[TupleRow]:
        async with self._connection(timeout_s) as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall()

    async def row(
        self, statement: str, parameters: Parameters = (), *, timeout_s: float | None = None
    ) -> TupleRow | None:
        async with self._connection(timeout_s) as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchone()

    @asynccontextmanager
    async def _connection(self, timeout_s: float | None) -> AsyncIterator[Connection]:
        # Not pool.connection(): that one also commits or rolls back, and in autocommit there
        # is neither.
        within_s = self._patience_s() if timeout_s is None else timeout_s
        try:
            connection = await self._take(time.monotonic() + within_s)
        except PoolTimeout as error:
            raise self._reach.no_connection(within_s) from error
        try:
            yield connection
        finally:
            # Shielded: a caller whose time is up while the pool takes it back would lose it,
            # and the pool would be smaller for ever.
            await asyncio.shield(self.pool.putconn(connection))

    def _patience_s(self) -> float:
        return min(self.pool.timeout, AWAY_WAIT_S) if self.is_away() else self.pool.timeout

    async def _take(self, deadline: float) -> Connection:
        """Return the first connection that is alive; those that are not are replaced.

        The pool could check by itself, but pauses a second and more between one dead
        connection and the next: after a restart all are dead, and who asks first would wait
        in vain.
        """
        while True:
            connection = await self.pool.getconn(deadline - time.monotonic())
            try:
                if await is_alive(connection):
                    return connection
            except BaseException:
                await self.pool.putconn(connection)
                raise
            await connection.close()
            await self.pool.putconn(connection)
