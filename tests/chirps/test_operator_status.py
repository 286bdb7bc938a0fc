"""`status`: an answer that cannot be had must not look like a file that is pending."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lab.postgres import Server
from tests.chirps.operators import Operator, roles, session
from tests.chirps.real import migrate_up
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture


@pytest.fixture
def database(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    with new_database(postgres) as database:
        migrate_up(database)
        yield database


@pytest.fixture
def operator(database: Database, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(database, capsys)


def test_who_may_not_read_the_version_table_is_told_as_whom_to_ask(
    operator: Operator, database: Database
) -> None:
    with roles(database.server, status_reader="LOGIN"):
        code, out, err = replace(operator, user="status_reader")("status")

    assert (code, out) == (2, "")
    assert "permission denied for table goose_db_version (SQLSTATE 42501)" in err
    assert err.endswith("; ask as the role that owns the tables\n")


def test_it_does_not_queue_behind_a_lock(operator: Operator, database: Database) -> None:
    with session(database, "psql") as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE goose_db_version")

        code, out, err = operator("status")

    assert (code, out) == (2, "")
    assert "55P03" in err
