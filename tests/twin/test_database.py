"""A twin's PostgreSQL: start state, roles, resets, and what is left of it."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from lab.errors import DatabaseRefused, NoSpace, ServiceNotReady
from lab.paths import Caller
from lab.twin import database as module
from lab.twin.database import TwinDatabase, says_when_it_is_full
from lab.twin.datacache import DataCache
from lab.twin.startstate import Size, key_of
from lab.twin.workplace import Workplace

SIZE = Size(users=60, chirps=600)
ROOT = os.geteuid() == 0

# The start state is made twice, by initdb and three programs, and other work may go on beside.
pytestmark = [pytest.mark.e2e, pytest.mark.rotating("twin"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory with a space in its path that everybody can reach."""
    with tempfile.TemporaryDirectory(prefix="a twin", dir="/tmp") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture(scope="module")
def cache(place: Path) -> DataCache:
    return DataCache(place / "cache", Caller(os.geteuid(), os.getegid(), place))


@pytest.fixture(scope="module")
def twin(place: Path, cache: DataCache) -> Iterator[TwinDatabase]:
    with new_workplace(place) as workplace:
        database = new(workplace, cache)
        database.start()
        yield database
        database.stop()


def new_workplace(place: Path) -> Workplace:
    return Workplace.new(environ={"TMPDIR": str(place)}, needs_bytes=0)


def new(workplace: Workplace, cache: DataCache, **options: object) -> TwinDatabase:
    return TwinDatabase(workplace, cache, releases=("v1", "v2-naive"), size=SIZE, **options)  # type: ignore[arg-type]


@pytest.fixture
def database(twin: TwinDatabase) -> TwinDatabase:
    twin.reset()
    return twin


def connect(database: TwinDatabase, role: str) -> "psycopg.Connection[tuple[object, ...]]":
    given = database.variables(role)
    return psycopg.connect(
        host=given["PGHOST"],
        port=given["PGPORT"],
        dbname=given["PGDATABASE"],
        user=given["PGUSER"],
        password=Path(given["PGPASSWORD_FILE"]).read_text(),
        autocommit=True,
    )


def test_a_reset_brings_back_users_chirps_and_schema(database: TwinDatabase) -> None:
    database.run("DROP TABLE chirps", database="chirps")
    database.reset()

    assert database.value("SELECT count(*) FROM users") == SIZE.users
    assert database.value("SELECT count(*) FROM chirps") == SIZE.chirps
    assert database.value("SELECT max(version_id) FROM goose_db_version") == 5


def test_a_reset_throws_out_who_is_connected(database: TwinDatabase) -> None:
    with connect(database, "chirps-v1") as connection:
        database.reset()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_each_release_has_a_login_and_may_write_but_not_alter(database: TwinDatabase) -> None:
    with connect(database, "chirps-v2-naive") as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("chirps_v2_naive",)
        connection.execute("UPDATE chirps SET body = 'x' WHERE id = 1")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("ALTER TABLE chirps ADD COLUMN mine text")


def test_migrations_may_alter_and_their_tables_are_open_to_releases(
    database: TwinDatabase,
) -> None:
    with connect(database, "chirps-migrate") as migrating:
        migrating.execute("CREATE TABLE made AS SELECT 1 AS n")
    with connect(database, "chirps-v1") as connection:
        assert connection.execute("SELECT n FROM made").fetchone() == (1,)


def test_the_observer_reads_everything_and_writes_nothing(database: TwinDatabase) -> None:
    with connect(database, "observer") as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (SIZE.users,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM users")


def test_a_wrong_password_is_refused(database: TwinDatabase) -> None:
    place = database.place
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host=place["PGHOST"],
            port=place["PGPORT"],
            dbname=place["PGDATABASE"],
            user="chirps_v1",
            password="wrong",
        )


def test_passwords_lie_in_files_for_the_caller_alone(database: TwinDatabase) -> None:
    names = ("observer", "chirps-migrate", "chirps-v1")
    files = [Path(database.login(name)["PGPASSWORD_FILE"]) for name in names]

    assert len({file.read_text() for file in files}) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700


def test_the_commit_of_a_migration_can_be_dated(database: TwinDatabase) -> None:
    assert database.value("SHOW track_commit_timestamp") == "on"
    assert database.value("SHOW synchronous_commit") == "on"


def test_a_statement_that_is_refused_is_told_with_its_sqlstate(database: TwinDatabase) -> None:
    with pytest.raises(DatabaseRefused, match="SQLSTATE 42P01") as caught:
        database.value("SELECT * FROM nowhere")

    assert caught.value.sqlstate == "42P01"


def test_a_second_twin_beside_it_takes_what_the_first_has_made(
    twin: TwinDatabase, place: Path, cache: DataCache
) -> None:
    noted: list[str] = []
    with new_workplace(place) as workplace:
        other = new(workplace, cache, note=noted.append)
        other.start()
        try:
            other.reset()
            other.run("DELETE FROM chirps", database="chirps")
            assert other.place["PGPORT"] != twin.place["PGPORT"]
            assert twin.value("SELECT count(*) FROM chirps") == SIZE.chirps
        finally:
            other.stop()
        assert not (workplace.path / "data").exists()
    assert noted == []


def test_what_is_damaged_in_the_cache_is_made_again(
    twin: TwinDatabase, place: Path, cache: DataCache
) -> None:
    kept = cache.directory / f"{key_of(SIZE)}.tar"
    content = bytearray(kept.read_bytes())
    content[len(content) // 3] ^= 1
    kept.write_bytes(content)
    noted: list[str] = []
    with new_workplace(place) as workplace:
        other = new(workplace, cache, note=noted.append)
        other.start()
        other.reset()
        assert other.value("SELECT count(*) FROM users") == SIZE.users
        other.stop()

    assert noted == ["making the start state of the data, once"]
    assert kept.is_file()


def test_nothing_is_left_when_the_start_state_cannot_be_made(
    place: Path, cache: DataCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ServiceNotReady("chirps seed ended with 1:\nNo space left on device")

    monkeypatch.setattr(module, "fill", fail)
    empty = DataCache(place / "empty", cache.caller)
    with new_workplace(place) as workplace:
        with pytest.raises(NoSpace, match="No space left on device"):
            new(workplace, empty).start()
        assert list(workplace.path.iterdir()) == []


def test_other_failures_stay_what_they_are() -> None:
    with pytest.raises(ServiceNotReady), says_when_it_is_full():
        raise ServiceNotReady("PostgreSQL did not start")
    with pytest.raises(PermissionError), says_when_it_is_full():
        raise PermissionError(13, "denied")


@pytest.mark.parametrize("changed", ["chirps/seed.py", "chirps/migrations/base/00001_users.sql"])
def test_the_key_follows_what_the_data_is_made_of(tmp_path: Path, changed: str) -> None:
    code = tmp_path / "lab"
    for pattern in ("chirps/migrations/base", "chirps/seed.py", "goose"):
        target = code / pattern
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (Path("lab") / pattern).is_dir() else shutil.copy
        copy(Path(module.__file__).parents[1] / pattern, target)
    before = key_of(SIZE, code=code)
    assert key_of(SIZE, code=code) == before
    assert key_of(Size(users=60, chirps=601), code=code) != before

    with (code / changed).open("a") as file:
        file.write("\n")

    assert key_of(SIZE, code=code) != before


HOLDER = """
import os, pathlib, sys, time
from lab.paths import Caller
from lab.twin.database import TwinDatabase
from lab.twin.datacache import DataCache
from lab.twin.startstate import Size
from lab.twin.workplace import Workplace
place = pathlib.Path(sys.argv[1])
workplace = Workplace.new(environ={"TMPDIR": str(place)}, needs_bytes=0)
cache = DataCache(place / "cache", Caller(os.geteuid(), os.getegid(), place))
database = TwinDatabase(workplace, cache, releases=("v1",), size=Size(60, 600))
database.start()
print((workplace.path / "data/postmaster.pid").read_text().split()[0], workplace.path, flush=True)
time.sleep(600)
"""


def test_nothing_runs_and_nothing_lies_there_after_its_holder_was_killed(
    twin: TwinDatabase, place: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(place)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        postmaster, path = process.stdout.readline().strip().split(" ", 1)
        process.send_signal(signal.SIGKILL)

    wait_for_end(int(postmaster))
    deadline = time.monotonic() + 40
    while Path(path).exists():
        assert time.monotonic() < deadline
        new_workplace(place).close()
        time.sleep(0.05)


def wait_for_end(process: int) -> None:
    deadline = time.monotonic() + 40
    while True:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.e2e
@pytest.mark.skipif(not ROOT, reason="needs root")
def test_a_disk_that_is_too_small_is_told(place: Path, cache: DataCache) -> None:
    small = place / "small disk"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(small)], check=True)
    try:
        with Workplace.new(environ={"TMPDIR": str(small)}, needs_bytes=0) as workplace:
            for kept in (cache, DataCache(small / "cache", cache.caller)):
                with pytest.raises(NoSpace, match=r"(?i)no space left") as caught:
                    new(workplace, kept).start()
                assert caught.value.hint == "set TMPDIR to another directory"
                assert sorted(each.name for each in workplace.path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
