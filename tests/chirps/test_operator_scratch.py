"""The scratch database: gone whatever happens, and if not, then with the next run."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lab.chirps.operator.scratch import PREFIX, scratch
from tests.chirps.operators import Operator, value, wait_for
from tests.chirps.real import migrate_up, read_settings
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

SCRATCHES = f"SELECT count(*) FROM pg_database WHERE datname LIKE '{PREFIX}%'"
# Says when it is there, and waits within a statement, as a long migration does.
HOLD = """
import os
from lab.chirps import settings
from lab.chirps.operator.scratch import scratch
with scratch(settings.read(os.environ)) as connection:
    print("ready", flush=True)
    connection.execute("SELECT pg_sleep(60)")
"""


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811 - a fixture
    return fresh_database


@pytest.fixture
def holding(database: Database) -> Iterator[subprocess.Popen[str]]:
    """A process with a scratch database in use."""
    program = [sys.executable, "-c", HOLD]
    with subprocess.Popen(
        program,
        env=database.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert value(database, SCRATCHES) == 1
        yield process
        process.kill()


def test_it_is_empty_and_says_what_it_is(database: Database) -> None:
    with scratch(read_settings(database)) as connection:
        name = connection.info.dbname
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert row.fetchone() == (0,)
        comment = value(
            database,
            "SELECT description FROM pg_shdescription JOIN pg_database ON oid = objoid "
            f"WHERE datname = '{name}'",
        )
        assert "may be dropped at any time" in comment

    assert value(database, SCRATCHES) == 0


@pytest.mark.parametrize("end", [KeyboardInterrupt, ZeroDivisionError, SystemExit])
def test_it_is_gone_however_the_work_ends(database: Database, end: type[BaseException]) -> None:
    with pytest.raises(end), scratch(read_settings(database)):
        raise end

    assert value(database, SCRATCHES) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_gone_when_the_program_is_stopped_in_a_statement(
    database: Database, holding: subprocess.Popen[str], number: signal.Signals
) -> None:
    holding.send_signal(number)

    assert holding.wait(30) != 0
    assert value(database, SCRATCHES) == 0


def test_a_kill_leaves_it_and_the_next_run_drops_it(
    database: Database,
    holding: subprocess.Popen[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    migrate_up(database)
    holding.kill()
    holding.wait(30)
    assert value(database, SCRATCHES) == 1

    # The server sees the end of a killed client when it writes to it, or looks.
    wait_for(
        lambda: Operator(database, capsys)("verify")[0] == 0 and not value(database, SCRATCHES)
    )


def test_signals_are_put_back_as_they_were(database: Database) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with scratch(read_settings(database)):
        assert signal.getsignal(signal.SIGTERM) is not before

    assert signal.getsignal(signal.SIGTERM) is before
