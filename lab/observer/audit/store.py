"""Ask the database what it holds."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection

from lab.observer.audit.ledger import Stored
from lab.observer.database import password

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 30_000
SETTINGS = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c default_transaction_read_only=on"
STORED = """
SELECT client_ref::text, array_agg(id ORDER BY id) FROM chirps
WHERE client_ref = ANY(%s::uuid[]) GROUP BY client_ref"""

Connection = AsyncConnection[tuple[Any, ...]]


async def connect(conninfo: str = "") -> Connection:
    """Connect to read only, to what `conninfo` names.

    libpq's environment and `password` fill in the rest. Raises psycopg.Error, and
    PasswordUnreadable.
    """
    return await AsyncConnection.connect(
        conninfo,
        autocommit=True,
        application_name="observer-audit",
        connect_timeout=CONNECT_TIMEOUT_S,
        options=SETTINGS,
        password=password.from_file(),
    )


async def stored(connection: Connection, refs: Sequence[str]) -> dict[str, Stored]:
    """Return what is stored of these refs, by one statement and so at one moment."""
    cursor = await connection.execute(STORED, (list(refs),))
    return {ref: Stored(tuple(ids)) for ref, ids in await cursor.fetchall()}


async def value(connection: Connection, invariant: Mapping[str, str]) -> dict[str, Any]:
    """Return what an invariant's line says: the first value of its query, or its error."""
    try:
        cursor = await connection.execute(invariant["sql"].encode())
        row = await cursor.fetchone()
    except psycopg.Error as exc:
        return {"name": invariant["name"], "value": None, "error": " ".join(str(exc).split())}
    return {"name": invariant["name"], "value": _plain(row[0] if row else None), "error": None}


def _plain(found: Any) -> Any:
    return found if isinstance(found, int | float | str | bool | None) else str(found)
