"""`up`: that what is typed reaches the files."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lab.chirps import migrate
from tests.chirps.operators import Operator, roles, session, value
from tests.chirps.real import migrate_up
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

VERSION = "SELECT max(version_id) FROM goose_db_version"


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811 - a fixture
    return fresh_database


@pytest.fixture
def operator(database: Database, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(database, capsys)


def events(err: str) -> list[str]:
    return [json.loads(line)["event"] for line in err.splitlines() if line.startswith("{")]


def test_a_lock_that_is_not_to_be_had_ends_it_in_time_and_is_named(
    operator: Operator, database: Database
) -> None:
    migrate_up(database)
    with session(database, "psql") as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT FROM chirps")

        code, out, err = operator(
            "up", "--track", "rename-careful", "--lock-timeout", "0.1", "--retries", "1"
        )

    assert (code, out) == (1, "")
    assert "55P03" in err
    assert err.endswith("next:\n  chirps migrate why-not\n")
    assert "retrying" in events(err)
    assert value(database, VERSION) == 5


def test_a_statement_that_takes_too_long_is_ended(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base/00001_slow.sql").write_text("-- +goose Up\nSELECT pg_sleep(30);\n")
    monkeypatch.setattr(migrate, "FOLDER", tmp_path)

    code, _, err = operator("up", "--statement-timeout", "0.1")

    assert code == 1
    assert "57014" in err


@pytest.mark.parametrize("lock", ["none", "try", "blocking"])
def test_every_lock_lets_a_lonely_run_through(operator: Operator, lock: str) -> None:
    assert operator("up", "--lock", lock)[:2] == (0, "the database has version 5\n")


def test_another_table_keeps_another_history(operator: Operator, database: Database) -> None:
    migrate_up(database)
    operator("up", "--track", "rename-control", "--table", "other", "--to", "0")

    assert operator("status", "--table", "other")[0] == 1
    assert operator("status")[0] == 0


def test_a_file_that_was_merged_late_is_applied_only_when_asked_for(
    operator: Operator, database: Database
) -> None:
    migrate_up(database)
    with database.connect() as connection:
        connection.execute("DELETE FROM goose_db_version WHERE version_id = 5")
        connection.execute("ALTER TABLE users DROP COLUMN is_member")
        connection.execute("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9, true)")

    code, _, err = operator("up")
    assert code == 1
    assert "00005_membership.sql" in err

    assert operator("up", "--allow-missing")[0] == 0


def test_it_dies_where_it_is_told_to(database: Database) -> None:
    program = [sys.executable, "-m", "lab.chirps", "migrate", "up", "--crash-at", "2:1:after"]

    done = subprocess.run(program, env=database.variables, capture_output=True, check=False)

    assert done.returncode == -signal.SIGKILL
    assert value(database, VERSION) == 1
    assert value(database, "SELECT to_regclass('chirps')") is None


def test_a_failure_is_told_to_programs_too(operator: Operator, database: Database) -> None:
    migrate_up(database)
    with database.connect() as connection:
        connection.execute("ALTER TABLE chirps ADD COLUMN content text")

    code, told = operator.ask("up", "--track", "rename-careful")

    assert (code, told["answer"]) == (1, "no")
    assert "42701" in told["sentence"]


def test_a_role_without_the_right_ends_with_2_and_is_told_whose_it_is(
    operator: Operator, database: Database
) -> None:
    with roles(database.server, up_stranger="LOGIN"):
        code, out, err = replace(operator, user="up_stranger")("up")

    assert (code, out) == (2, "")
    assert "(SQLSTATE 42501)" in err
    assert err.endswith("; it is for the role that owns the tables\n")
