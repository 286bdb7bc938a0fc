"""Play the same files and commands on the real goose and on ours, and look at what is left."""

import re
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from lab import goose
from tests.goose.case import TABLE, Case, Change, Command, Files, Verb
from tests.postgres import Database

ANSWERS_WITHIN_S = 30
SQLSTATE = re.compile(r"\(SQLSTATE (\w{5})\)")
RAN = re.compile(r"(OK|EMPTY) +(\S+) \(")
UP_TO_DATE = re.compile(r"no migrations to run. current version: (-?\d+)")
TIME = re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\b")
NEXT_TRANSACTION = "SELECT pg_snapshot_xmax(pg_current_snapshot())"
MOVES: Mapping[Verb, Callable[..., object]] = {
    Verb.UP_BY_ONE: goose.up_by_one,
    Verb.DOWN: goose.down,
    Verb.REDO: goose.redo,
    Verb.RESET: goose.reset,
}
Left = tuple[list[tuple[int, int, bool]] | None, str]
EMPTY_AGAIN = """
    DO $$
    DECLARE
        name text;
    BEGIN
        FOR name IN SELECT nspname FROM pg_namespace
            WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
        LOOP
            EXECUTE format('DROP SCHEMA %I CASCADE', name);
        END LOOP;
    END $$;
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
    GRANT USAGE ON SCHEMA public TO public;
    COMMENT ON SCHEMA public IS 'standard public schema';
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command came to; `told` is what it says of versions, `ran` the files it ran.

    goose may tell of two errors, ours names one of them.
    """

    succeeded: bool
    ran: tuple[tuple[str, bool], ...] = ()
    """Name, and whether it held no statement."""
    told: object = None
    sqlstates: frozenset[str] = frozenset()

    def agrees_with(self, goose: "Answer") -> bool:
        alike = (self.succeeded, self.ran, self.told) == (goose.succeeded, goose.ran, goose.told)
        if not self.sqlstates:
            return alike and not goose.sqlstates
        return alike and self.sqlstates <= goose.sqlstates


def start_goose(
    program: Path, command: Command, folder: Path, database: Database
) -> subprocess.Popen[str]:
    url = "host={host} port={port} user={user} dbname={dbname}".format(**database.connection)
    options = ["-allow-missing"] if command.allow_missing else []
    to = [] if command.to is None else [str(command.to)]
    given = ["-env", "none", "-dir", str(folder), "-table", command.table, *options]
    return subprocess.Popen(
        [str(program), *given, "postgres", url, command.verb, *to],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def answer_of(running: subprocess.Popen[str], verb: Verb) -> Answer:
    with running:
        try:
            output, _ = running.communicate(timeout=ANSWERS_WITHIN_S)
        finally:
            running.kill()
    ran = tuple((name, how == "EMPTY") for how, name in RAN.findall(output))
    if running.returncode == 0:
        return Answer(True, ran, told_by_goose(verb, output))
    return Answer(False, ran, sqlstates=frozenset(SQLSTATE.findall(output)))


def told_by_goose(verb: Verb, output: str) -> object:
    if verb is Verb.VERSION:
        return int(output.rpartition("version ")[2])
    if verb is Verb.STATUS:
        lines = [line.partition(" -- ") for line in output.splitlines() if " -- " in line]
        return [(name, "Pending" not in when) for when, _, name in lines]
    found = UP_TO_DATE.search(output)
    return int(found[1]) if found else None


def run_ours(command: Command, folder: Path, database: Database) -> Answer:
    events: list[goose.Event] = []
    try:
        told = told_by_ours(command, folder, database, events.append)
    except goose.GooseError as exc:
        known = getattr(exc, "sqlstate", None)
        return Answer(False, ran_by(events), sqlstates=frozenset([known] if known else []))
    return Answer(True, ran_by(events), version_by(events) if told is None else told)


def version_by(events: list[goose.Event]) -> int | None:
    return next((event["version"] for event in events if event["event"] == "up_to_date"), None)


def ran_by(events: list[goose.Event]) -> tuple[tuple[str, bool], ...]:
    done = [event for event in events if event["event"] in ("applied", "reverted")]
    return tuple((event["file"], event["statements"] == 0) for event in done)


def told_by_ours(
    command: Command, folder: Path, database: Database, on_event: goose.OnEvent
) -> object:
    """Return the rows of status, and the version of version."""
    with database.connect() as connection:
        if command.verb is Verb.VERSION:
            return goose.current_version(connection, name=command.table)
        migrations = goose.collect(folder)
        if command.verb is Verb.STATUS:
            rows = goose.status(connection, migrations, table=command.table)
            return [(row.name, row.applied_at is not None) for row in rows]
        options = goose.Options(table=command.table, allow_missing=command.allow_missing)
        move(command, connection, migrations, on_event, options)
    return None


def move(
    command: Command,
    connection: psycopg.Connection[Any],
    migrations: tuple[goose.Migration, ...],
    on_event: goose.OnEvent,
    options: goose.Options,
) -> None:
    match command.verb:
        case Verb.UP | Verb.UP_TO:
            goose.up(connection, migrations, command.to, on_event, options=options)
        case Verb.DOWN_TO:
            assert command.to is not None
            goose.down_to(connection, migrations, command.to, on_event, options=options)
        case verb:
            function = MOVES[verb]
            function(connection, migrations, on_event, options=options)


def start_dump(database: Database) -> subprocess.Popen[str]:
    """Schema and data."""
    options = {
        "restrict-key": "lab",
        "host": database.server.socket_directory,
        "port": database.server.port,
        "username": "postgres",
    }
    return subprocess.Popen(
        [
            database.server.binaries / "bin/pg_dump",
            *(f"--{name}={value}" for name, value in options.items()),
            database.name,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )


def version_rows(database: Database, table: str) -> list[tuple[int, int, bool]] | None:
    """Return None where there is no such table; one of another shape is in the dump."""
    with suppress(psycopg.Error), database.connect() as connection:
        query = f"SELECT id, version_id, is_applied FROM {table} ORDER BY id"
        return connection.execute(query.encode()).fetchall()
    return None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two databases and one folder of files."""

    program: Path
    folder: Path
    theirs: Database
    ours: Database

    def prepare(self, case: Case) -> None:
        self.write(case.files)
        self.execute(case.sql)

    def write(self, files: Files) -> None:
        for name, text in files.items():
            if text is None:
                (self.folder / name).mkdir()
            else:
                (self.folder / name).write_bytes(text.encode(errors="surrogateescape"))

    def clear(self) -> None:
        """Make databases and folder as they are at the beginning of a test."""
        self.execute(EMPTY_AGAIN)
        for file in self.folder.iterdir():
            file.unlink()

    def execute(self, sql: str) -> None:
        for database in (self.theirs, self.ours):
            with database.connect() as connection:
                connection.execute(sql.encode())

    def change(self, change: Change) -> None:
        for name in change.remove:
            (self.folder / name).unlink(missing_ok=True)
        self.write(change.write or {})
        self.execute(change.sql)

    def play(self, case: Case) -> None:
        """Raise AssertionError with the step after which they differ."""
        self.prepare(case)
        for number, step in enumerate(case.steps):
            if isinstance(step, Change):
                self.change(step)
            else:
                self.compare(step, f"{case.name!r}, step {number}: {step}")

    def compare(self, command: Command, about: str) -> None:
        before = self.next_transaction()
        theirs, ours = self.run(command)
        assert ours.agrees_with(theirs), f"{about}\ngoose: {theirs}\nours:  {ours}"
        # A dump is what takes long, and they are as equal as before when neither has written.
        if self.next_transaction() == before:
            return
        theirs_left, ours_left = self.look(command.table)
        assert ours_left == theirs_left, about

    def next_transaction(self) -> int:
        """Return the number that the next one gets that writes, in whichever database."""
        with self.ours.connect() as connection:
            row = connection.execute(NEXT_TRANSACTION).fetchone()
        assert row
        return int(row[0])

    def run(self, command: Command) -> tuple[Answer, Answer]:
        """Run both at the same time; they share no database."""
        running = start_goose(self.program, command, self.folder, self.theirs)
        ours = run_ours(command, self.folder, self.ours)
        return answer_of(running, command.verb), ours

    def look(self, table: str = TABLE) -> tuple[Left, Left]:
        """Return what is in either database: version rows and a dump without times."""
        databases = (self.theirs, self.ours)
        dumps = [start_dump(database) for database in databases]
        theirs, ours = (
            (version_rows(database, table), TIME.sub("then", dump.communicate()[0]))
            for database, dump in zip(databases, dumps, strict=True)
        )
        assert [dump.returncode for dump in dumps] == [0, 0]
        return theirs, ours
