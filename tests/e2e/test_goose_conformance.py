"""The real goose and ours, given the same files: do they leave the same database?

After each command the outcome, the SQLSTATE of a failure, the rows of the version table
and a dump of schema and data are compared. What may differ is in `tests/goose/corpus.py`.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from lab import goose
from lab.artifacts import ensure
from lab.artifacts.gobuild import GoPrograms
from lab.paths import find_paths
from lab.postgres import Server
from lab.progress import Silent
from tests.goose.corpus import CASES, DEVIATIONS, Case, Change, Command, Deviation, Files, Verb
from tests.goose.random_files import random_files
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

# The first of them may have to build goose.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODULE = Path(__file__).parents[1] / "tools/goose"
PROGRAM = "github.com/pressly/goose/v3/cmd/goose"
# It brings drivers of other databases, which take long to compile.
OTHER_DATABASES = (
    "no_azuresql,no_clickhouse,no_libsql,no_mssql,no_mysql,no_sqlite3,no_vertica,no_ydb"
)
RANDOM_FILES = 40
ANSWERS_WITHIN_S = 30
VARIABLES = {"LAB_WORD": "goose", "LAB_EMPTY": ""}
SQLSTATE = re.compile(r"\(SQLSTATE (\w{5})\)")
EMPTY_AGAIN = """
    DROP SCHEMA public CASCADE;
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
    GRANT USAGE ON SCHEMA public TO public;
    COMMENT ON SCHEMA public IS 'standard public schema';
"""
VERSION_ROWS = "SELECT id, version_id, is_applied FROM goose_db_version ORDER BY id"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command came to; `told` is what it says of versions."""

    succeeded: bool
    sqlstate: str | None = None
    told: object = None


@pytest.fixture(scope="module")
def program() -> Path:
    recipe = GoPrograms("goose", MODULE, packages=(PROGRAM,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOFLAGS", f"-tags={OTHER_DATABASES}")
        artifact = ensure([recipe], paths=find_paths(), progress=Silent())["goose"]
    return artifact.tree / "usr/local/bin/goose"


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


def start_goose(
    program: Path, command: Command, folder: Path, database: Database
) -> subprocess.Popen[str]:
    url = "host={host} port={port} user={user} dbname={dbname}".format(**database.connection)
    to = [] if command.to is None else [str(command.to)]
    return subprocess.Popen(
        [program, "-env", "none", "-dir", folder, "postgres", url, command.verb, *to],
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
    if running.returncode == 0:
        return Answer(True, told=told_by_goose(verb, output))
    state = SQLSTATE.search(output)
    return Answer(False, sqlstate=state[1] if state else None)


def told_by_goose(verb: Verb, output: str) -> object:
    if verb is Verb.VERSION:
        return int(output.rpartition("version ")[2])
    if verb is Verb.STATUS:
        lines = [line.partition(" -- ") for line in output.splitlines() if " -- " in line]
        return [(name, "Pending" not in when) for when, _, name in lines]
    found = re.search(r"no migrations to run. current version: (\d+)", output)
    return int(found[1]) if found else None


def run_ours(command: Command, folder: Path, database: Database) -> Answer:
    try:
        return Answer(True, told=told_by_ours(command, folder, database))
    except goose.GooseError as exc:
        return Answer(False, sqlstate=getattr(exc, "sqlstate", None))


def told_by_ours(command: Command, folder: Path, database: Database) -> object:
    with database.connect() as connection:
        if command.verb is Verb.VERSION:
            return goose.current_version(connection)
        migrations = goose.collect(folder)
        if command.verb is Verb.STATUS:
            rows = goose.status(connection, migrations)
            return [(row.name, row.applied_at is not None) for row in rows]
        events: list[goose.Event] = []
        goose.up(connection, migrations, command.to, events.append)
    return next((e["version"] for e in events if e["event"] == "up_to_date"), None)


def start_dump(database: Database) -> subprocess.Popen[str]:
    """Schema and data, without the times at which versions were applied."""
    options = {
        "restrict-key": "lab",
        "exclude-table-data": "goose_db_version",
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


def version_rows(database: Database) -> list[tuple[int, int, bool]] | None:
    """Return None where there is no such table; one of another shape is in the dump."""
    of_another_shape = psycopg.errors.UndefinedColumn
    with (
        suppress(psycopg.errors.UndefinedTable, of_another_shape),
        database.connect() as connection,
    ):
        return connection.execute(VERSION_ROWS).fetchall()
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

    def execute(self, sql: str) -> None:
        for database in (self.theirs, self.ours):
            with database.connect() as connection:
                connection.execute(sql.encode())

    def change(self, change: Change) -> None:
        self.write(change.write or {})
        for name in change.remove:
            (self.folder / name).unlink()
        self.execute(change.sql)

    def run(self, command: Command) -> tuple[Answer, Answer]:
        """Run both at the same time; they share no database."""
        running = start_goose(self.program, command, self.folder, self.theirs)
        ours = run_ours(command, self.folder, self.ours)
        return answer_of(running, command.verb), ours

    def look(self) -> tuple[object, object]:
        """Return what is in either database."""
        databases = (self.theirs, self.ours)
        dumps = [start_dump(database) for database in databases]
        theirs, ours = (
            (version_rows(database), dump.communicate()[0])
            for database, dump in zip(databases, dumps, strict=True)
        )
        assert [dump.returncode for dump in dumps] == [0, 0]
        return theirs, ours


@pytest.fixture(scope="module")
def databases(postgres: Server) -> Iterator[tuple[Database, Database]]:  # noqa: F811
    with new_database(postgres) as theirs, new_database(postgres) as ours:
        yield theirs, ours


@pytest.fixture
def pair(program: Path, databases: tuple[Database, Database], tmp_path: Path) -> Pair:
    folder = tmp_path / "migrations"
    folder.mkdir()
    pair = Pair(program, folder, *databases)
    # Half a second faster than a new database, and as empty: see the test below.
    pair.execute(EMPTY_AGAIN)
    return pair


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_goose_and_ours_leave_the_same_database(pair: Pair, case: Case) -> None:
    pair.prepare(case)
    for step in case.steps:
        if isinstance(step, Change):
            pair.change(step)
            continue
        theirs, ours = pair.run(step)
        assert ours == theirs, step
        theirs_left, ours_left = pair.look()
        assert ours_left == theirs_left, step


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda each: each.case.name)
def test_where_they_differ_they_differ_on_purpose(pair: Pair, deviation: Deviation) -> None:
    pair.prepare(deviation.case)
    command = deviation.case.steps[0]
    assert isinstance(command, Command)
    theirs, ours = pair.run(command)
    theirs_left, ours_left = pair.look()

    assert theirs.succeeded == deviation.goose_succeeds
    assert ours.succeeded == deviation.ours_succeeds
    assert (theirs, theirs_left) != (ours, ours_left)


def test_random_files_are_read_alike(pair: Pair) -> None:
    """The same outcome, and the same rows by the statements that ran, for files of all kinds."""
    refused = 0
    for text in random_files(seed=1, number=RANDOM_FILES):
        pair.execute(f"{EMPTY_AGAIN} CREATE TABLE log (id serial, text text);")
        pair.write({"00001_random.sql": text})
        theirs, ours = pair.run(Command(Verb.UP))
        assert ours == theirs, text
        left, ours_left = (logged(database) for database in (pair.theirs, pair.ours))
        assert ours_left == left, text
        refused += not ours.succeeded
    assert 0 < refused < RANDOM_FILES


def logged(database: Database) -> object:
    with database.connect() as connection:
        return connection.execute("SELECT text FROM log ORDER BY id").fetchall()


def test_a_database_that_was_emptied_is_like_a_new_one(
    pair: Pair,
    postgres: Server,  # noqa: F811
) -> None:
    with new_database(postgres) as fresh:
        assert Pair(pair.program, pair.folder, fresh, pair.ours).look()[0] == pair.look()[0]


def test_the_program_is_the_version_that_is_pinned(program: Path) -> None:
    pinned = re.search(r"goose/v3 (v\S+)", (MODULE / "go.mod").read_text())
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=True).stdout

    assert pinned
    assert told.split()[-1] == pinned[1]
