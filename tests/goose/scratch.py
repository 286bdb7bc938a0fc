"""What tests of goose on a real PostgreSQL have in common: files, and what they left."""

from pathlib import Path
from typing import Any

import psycopg

from lab import goose

Connection = psycopg.Connection[Any]
WITHOUT_TRANSACTION = "-- +goose NO TRANSACTION\n"


def migration(up: str, down: str = "", *, head: str = "") -> str:
    """The text of a file; `head` is what stands before Up, such as annotations."""
    return f"{head}-- +goose Up\n{up}\n-- +goose Down\n{down}\n"


def write(folder: Path, texts: dict[int, str]) -> tuple[goose.Migration, ...]:
    """Files by version; what was in the folder before stays."""
    for version, text in texts.items():
        (folder / f"{version:05}_m.sql").write_text(text)
    return goose.collect(folder)


def tables(connection: Connection) -> list[str]:
    query = (
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' "
        "AND tablename <> 'goose_db_version' ORDER BY 1"
    )
    return [name for (name,) in connection.execute(query)]


def versions(connection: Connection, table: str = "goose_db_version") -> list[int]:
    """In the order of application."""
    query = f"SELECT version_id FROM {table} ORDER BY id"
    return [version for (version,) in connection.execute(query.encode())]
