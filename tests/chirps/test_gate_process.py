"""A real process at the gate, before a real database."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from typing_extensions import override

from lab.goose.options import LOCK_ID
from lab.postgres import Server
from tests.chirps.process import Process, wait_for
from tests.chirps.real import migrate_up
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

V2 = {"CHIRPS_CODE": "v2", "CHIRPS_TRACK": "rename-expand"}
MIGRATE = {"CHIRPS_CODE": "v1", "CHIRPS_TRACK": "quota-careless", "CHIRPS_GATE": "migrate"}
WAITING_MIGRATIONS = """SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'chirps-migrate/%'
AND wait_event_type = 'Lock'"""


class Booting(Process):
    """A process that may end by itself; its last words on stderr are plain text."""

    @override
    def _read(self) -> None:
        self.words: list[str] = []
        assert self._process.stderr is not None
        for text in self._process.stderr:
            with self._changed:
                if text.startswith("{"):
                    self.lines.append(json.loads(text))
                else:
                    self.words.append(text)
                self._changed.notify_all()

    def told(self, target: str) -> tuple[int, Any]:
        status, _, body = self.ask("GET", target)
        return status, json.loads(body)

    def wait_for_gate(self, act: str) -> dict[str, Any]:
        return self.wait_for_line(event="gate", act=act)

    @property
    def steps(self) -> list[str]:
        """What migrations at boot told of."""
        return [each["migration"]["event"] for each in self.lines if "migration" in each]

    def ended(self) -> tuple[int, str]:
        """Return its exit code and last words."""
        code = self.wait()
        self._reader.join()
        return code, "".join(self.words)

    @property
    def pid(self) -> int:
        return self._process.pid


@contextmanager
def booting(variables: dict[str, str], **environ: str) -> Iterator[Booting]:
    given = {"CHIRPS_POOL_SIZE": "1", "CHIRPS_GATE": "wait", **variables, **environ}
    process = Booting(given, linger_s=1)
    try:
        yield process
    finally:
        process.end()


def do(database: Database, statement: str) -> Any:
    with database.connect() as connection:
        return connection.execute(statement)


def one(database: Database, statement: str) -> Any:
    row = do(database, statement).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def empty(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    with new_database(postgres) as made:
        yield made


@pytest.fixture
def based(empty: Database) -> Database:
    """A database with the base migrations."""
    migrate_up(empty)
    return empty


@pytest.fixture
def nowhere() -> Iterator[dict[str, str]]:
    """Where no database answers, and none can come meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        yield {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "x", "PGDATABASE": "x"}


def test_who_waits_answers_probes_and_starts_when_the_schema_comes(based: Database) -> None:
    with booting(based.variables, **V2) as process:
        process.wait_for_gate("retry")
        assert process.told("/livez")[0] == 200
        assert process.told("/readyz")[0] == 503
        # A probe reads what the last round of checks found.
        wait_for(lambda: "v2 needs 6" in process.told("/startupz")[1]["gate"]["detail"])
        status, told = process.told("/startupz")
        assert status == 503
        assert "gate" in told["waiting_for"]
        assert process.ask("GET", "/page")[1]["x-chirps-schema"] == "5"

        migrate_up(based, "rename-expand")
        process.wait_until_ready()

        assert process.told("/startupz") == (200, {"started": True, "waiting_for": []})
        assert process.wait_for_gate("start")["reason"] == "the database has schema 6, v2 needs 6"


def test_who_waits_holds_no_connection_of_a_pool(based: Database) -> None:
    with booting(based.variables, **V2, CHIRPS_POOL_SIZE="4") as process:
        process.wait_for_gate("retry")

        sessions = one(
            based,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'chirps/v2/pod-1'",
        )
        assert sessions <= 1  # the look that is under way


def test_who_waited_in_vain_exits_with_78_and_its_last_words_name_the_version(
    based: Database,
) -> None:
    with booting(based.variables, **V2, CHIRPS_GATE_BUDGET_S="0.5") as process:
        code, words = process.ended()

    assert code == 78
    assert "waited 0.5 s in vain" in words
    assert "run `chirps migrate up --track rename-expand --to 6`" in words


def test_who_refuses_exits_with_78(based: Database) -> None:
    with booting(based.variables, **V2, CHIRPS_GATE="refuse") as process:
        code, words = process.ended()

    assert code == 78
    assert words.startswith("Error: the database has schema 5, v2 needs 6")


def test_who_only_warns_serves_and_says_so(based: Database) -> None:
    with booting(based.variables, **V2, CHIRPS_GATE="warn") as process:
        process.wait_until_ready()

        assert process.wait_for_gate("start-and-complain")["level"] == "warning"
        wait_for(lambda: process.told("/readyz")[1]["degraded"] == ["gate"])
        assert process.ask("GET", "/chirps")[0] == 500


def test_who_has_no_gate_serves_and_errs(based: Database) -> None:
    with booting(based.variables, **V2, CHIRPS_GATE="off") as process:
        process.wait_until_ready()

        assert process.ask("GET", "/chirps")[0] == 500


@pytest.mark.parametrize("gate", ["refuse", "wait", "migrate"])
def test_a_floor_above_the_release_ends_the_start_at_once(based: Database, gate: str) -> None:
    do(based, "UPDATE chirps_schema SET compat_floor = 2")

    with booting(based.variables, CHIRPS_GATE=gate, CHIRPS_GATE_BUDGET_S="3600") as process:
        code, words = process.ended()

    assert code == 78
    assert "compat floor is 2" in words


def test_a_floor_that_is_raised_while_somebody_waits_ends_the_wait(based: Database) -> None:
    with booting(based.variables, **V2, CHIRPS_GATE_BUDGET_S="3600") as process:
        process.wait_for_gate("retry")
        do(based, "UPDATE chirps_schema SET compat_floor = 3")

        assert process.ended()[0] == 78


def test_without_a_database_who_refuses_exits_with_2(nowhere: dict[str, str]) -> None:
    with booting(nowhere, CHIRPS_GATE="refuse") as process:
        code, words = process.ended()

    assert code == 2
    assert "the database does not answer" in words
    assert "Connection refused" in words


@pytest.mark.parametrize("gate", ["wait", "migrate"])
def test_without_a_database_who_waits_exits_with_2_when_the_budget_ends(
    nowhere: dict[str, str], gate: str
) -> None:
    with booting(nowhere, CHIRPS_GATE=gate, CHIRPS_GATE_BUDGET_S="0.5") as process:
        assert process.ended()[0] == 2


@pytest.mark.parametrize("gate", ["off", "warn"])
def test_without_a_database_the_others_run_and_are_not_ready(
    nowhere: dict[str, str], gate: str
) -> None:
    with booting(nowhere, CHIRPS_GATE=gate) as process:
        assert process.told("/livez")[0] == 200
        assert process.told("/readyz")[0] == 503
        assert process.ask("GET", "/page")[0] == 200


def allow_connections(database: Database, yes: bool) -> None:
    with psycopg.connect(**database.server.connection(), autocommit=True) as other:
        other.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS {yes}")


def test_a_database_that_comes_late_is_waited_for(based: Database) -> None:
    allow_connections(based, False)
    with booting(based.variables, CHIRPS_GATE_BUDGET_S="3600") as process:
        assert "not currently accepting connections" in process.wait_for_gate("retry")["reason"]

        allow_connections(based, True)

        process.wait_until_ready()


def test_who_is_told_to_end_while_it_waits_ends_well(based: Database) -> None:
    with booting(based.variables, **V2, CHIRPS_GATE_BUDGET_S="3600") as process:
        process.wait_for_gate("retry")

        process.terminate()

        assert process.ended() == (0, "")


def test_who_migrates_at_boot_serves_when_that_is_done(empty: Database) -> None:
    with booting(empty.variables, **MIGRATE) as process:
        process.wait_until_ready()

        assert process.steps.count("applied") == 6
        assert one(empty, "SELECT max(version_id) FROM goose_db_version") == 6


def test_a_migration_at_boot_that_fails_ends_the_process(based: Database) -> None:
    do(based, "ALTER TABLE users ADD COLUMN quota text NOT NULL DEFAULT 'much'")
    do(based, "INSERT INTO users (email) VALUES ('a@example.com')")

    with booting(based.variables, **MIGRATE) as process:
        code, words = process.ended()

    assert code == 1
    assert words.startswith("Error: 00006_quota.sql")


@contextmanager
def held_users(database: Database) -> Iterator[Any]:
    """A database with a user whose row is locked until `commit` is called."""
    do(database, "INSERT INTO users (email) VALUES ('a@example.com')")
    do(database, "ALTER TABLE users ADD COLUMN quota bigint NOT NULL DEFAULT 0")
    with database.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("SELECT FROM users FOR UPDATE")
        yield lambda: holder.execute("COMMIT")


def wait_for_migrations(database: Database, count: int) -> None:
    wait_for(lambda: one(database, WAITING_MIGRATIONS) == count)


@pytest.mark.parametrize(("lock", "times"), [("none", 2), ("blocking", 1)])
def test_two_pods_that_migrate_at_boot_do_it_twice_unless_they_lock(
    based: Database, lock: str, times: int
) -> None:
    given = {**based.variables, **MIGRATE, "CHIRPS_LOCK": lock}
    with (
        held_users(based) as commit,
        booting(given, CHIRPS_POD="pod-1") as one_pod,
        booting(given, CHIRPS_POD="pod-2") as other_pod,
    ):
        # Both have read version 5, or one of them waits for the lock.
        wait_for_migrations(based, 2)
        commit()
        one_pod.wait_until_ready()
        other_pod.wait_until_ready()

    assert one(based, "SELECT count(*) FROM goose_db_version WHERE version_id = 6") == times
    assert one(based, "SELECT quota FROM users") == 10 * times


def test_a_migration_at_boot_is_taken_back_when_the_pod_is_told_to_end(based: Database) -> None:
    with held_users(based), booting(based.variables, **MIGRATE) as process:
        wait_for_migrations(based, 1)

        process.terminate()

        assert process.ended() == (0, "")
        wait_for(lambda: one(based, WAITING_MIGRATIONS) == 0)
    assert one(based, "SELECT max(version_id) FROM goose_db_version") == 5


@pytest.mark.parametrize("lock", ["try", "blocking"])
def test_who_waits_for_the_lock_answers_probes_and_ends_when_told(
    based: Database, lock: str
) -> None:
    with based.connect() as other:
        other.execute(f"SELECT pg_advisory_lock({LOCK_ID})")
        with booting(based.variables, **MIGRATE, CHIRPS_LOCK=lock) as process:
            wait_for(lambda: "lock_wait" in process.steps)
            assert process.told("/livez")[0] == 200

            process.terminate()

            assert process.ended() == (0, "")


def test_a_pod_that_is_killed_leaves_its_statement_behind(based: Database) -> None:
    with held_users(based), booting(based.variables, **MIGRATE) as process:
        wait_for_migrations(based, 1)

        os.kill(process.pid, signal.SIGKILL)
        process.wait()

        # The server looks at the client only when it has something to send.
        assert one(based, WAITING_MIGRATIONS) == 1


def test_equality_takes_a_running_pod_out_when_the_next_schema_comes(based: Database) -> None:
    with booting(based.variables, CHIRPS_GATE_RULE="equal") as process:
        process.wait_until_ready()

        migrate_up(based, "rename-expand")
        wait_for(lambda: process.told("/readyz")[0] == 503)

        assert process.told("/livez")[0] == 200
        assert process.ask("GET", "/chirps")[0] == 200  # it could serve


def test_what_is_required_leaves_a_running_pod_in(based: Database) -> None:
    with booting(based.variables) as process:
        process.wait_until_ready()

        migrate_up(based, "rename-expand")
        wait_for(lambda: process.ask("GET", "/page")[1]["x-chirps-schema"] == "6")

        assert process.told("/readyz")[0] == 200


def test_a_floor_that_rises_over_a_running_pod_is_reported(based: Database) -> None:
    with booting(based.variables) as process:
        process.wait_until_ready()

        do(based, "UPDATE chirps_schema SET compat_floor = 2")

        wait_for(lambda: process.told("/readyz")[1]["degraded"] == ["gate"])
        assert process.told("/readyz")[0] == 200


def test_the_worker_begins_when_the_gate_is_passed(based: Database) -> None:
    do(based, "INSERT INTO users (email) VALUES ('a@example.com')")
    with booting(based.variables, **V2, CHIRPS_WORKER="on") as process:
        process.wait_for_gate("retry")
        assert one(based, "SELECT count(*) FROM chirps") == 0

        migrate_up(based, "rename-expand")
        wait_for(lambda: one(based, "SELECT count(*) FROM chirps") > 0)

        assert "chirps/v2/pod-1" in one(based, "SELECT body FROM chirps LIMIT 1")


def test_a_worker_the_release_does_not_have_is_a_mistake(based: Database) -> None:
    with booting(based.variables, CHIRPS_WORKER="on") as process:
        code, words = process.ended()

    assert code == 78
    assert "CHIRPS_WORKER: this release has no worker 'on'" in words
