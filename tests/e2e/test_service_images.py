"""What the images of the sample service really hold: unpacked, and run in namespaces."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.artifacts import Artifact, ensure
from lab.artifacts.pythonbase import APPLETS
from lab.artifacts.recipe import Workshop
from lab.artifacts.serviceimages import (
    DIRECTORY,
    OBSERVER,
    POSTGRES,
    POSTGRES_DATA,
    RELEASES,
    chirps_tag,
    service_recipes,
)
from lab.paths import find_paths
from lab.progress import Silent
from tests.e2e.image import Unpacked, first_process, unpack

# Artifacts that are not in the cache yet are built for the first test.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
BOUND_S = 30
PASSWORD = "s3cret"
PASSWORD_FILE = "run/secrets/password"
LIBRARIES = (
    "ssl, asyncio, psycopg, psycopg_pool, uvicorn, httptools, starlette.applications, uvloop"
)
IMPORTS = f"import {LIBRARIES}, aiohttp; print(psycopg.pq.__impl__)"


@pytest.fixture(scope="module")
def artifacts() -> dict[str, Artifact]:
    return ensure(service_recipes(), paths=find_paths(), progress=Silent())


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="images-", dir="/var/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def image(artifacts: dict[str, Artifact], directory: Path) -> Callable[[str], Unpacked]:
    """Unpack the image with this tag, once."""
    unpacked: dict[str, Unpacked] = {}

    def image(tag: str) -> Unpacked:
        if tag not in unpacked:
            archive = tag.removeprefix("lab.local/").partition(":")[0]
            file = artifacts[f"{archive}-images"].tree / DIRECTORY / f"{archive}.tar"
            unpacked[tag] = unpack(file, tag, directory / str(len(unpacked)))
        return unpacked[tag]

    return image


@pytest.fixture
def database(image: Callable[[str], Unpacked], directory: Path) -> Iterator[Unpacked]:
    """The database's image with an empty volume and the superuser's password."""
    unpacked = image(POSTGRES)
    volume = unpacked.root / POSTGRES_DATA.lstrip("/")
    password = unpacked.root / PASSWORD_FILE
    password.parent.mkdir(exist_ok=True)
    password.write_text(f"{PASSWORD}\n")
    password.chmod(0o400)
    yield unpacked
    shutil.rmtree(volume.parent, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + BOUND_S
    while not holds():
        assert process.poll() is None, f"ended with {process.returncode}"
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def psql(database: Unpacked, port: int, *arguments: str, **environment: str) -> str:
    command = ("psql", "-w", "-At", "-v", "ON_ERROR_STOP=1", "-p", str(port), *arguments)
    ended = database.run(*command, **environment)
    return ended.stdout.strip() if ended.returncode == 0 else ended.stderr.strip()


def is_ready(database: Unpacked, port: int) -> bool:
    asked = ("pg_isready", "--quiet", "--host", "127.0.0.1", "--port", str(port))
    return database.run(*asked).returncode == 0


def start(database: Unpacked, port: int, *settings: str):
    """Start the database as a kubelet would; the caller waits until it is ready."""
    arguments = (word for setting in (f"port={port}", *settings) for word in ("-c", setting))
    return database.started(*arguments, POSTGRES_PASSWORD_FILE=f"/{PASSWORD_FILE}")


def stop(process: subprocess.Popen[bytes], database: Unpacked) -> int:
    """Ask it to end with the image's own signal; return how it ended."""
    number = signal.Signals[database.config["StopSignal"]]
    os.kill(first_process(process), number)
    return process.wait(BOUND_S)


@pytest.mark.parametrize("tag", [chirps_tag("v1"), OBSERVER])
def test_everything_that_serves_can_be_imported(image: Callable[[str], Unpacked], tag: str) -> None:
    ended = image(tag).run("python3", "-c", IMPORTS)

    assert (ended.returncode, ended.stdout) == (0, "binary\n"), ended.stderr


@pytest.mark.parametrize(
    ("tag", "module"), [(chirps_tag("v2"), "lab.chirps.cli"), (OBSERVER, "lab.observer.__main__")]
)
def test_nothing_is_compiled_when_a_container_starts(
    image: Callable[[str], Unpacked], tag: str, module: str
) -> None:
    ended = image(tag).run("python3", "-v", "-c", f"{IMPORTS}; import {module}")
    loaded = [line for line in ended.stderr.splitlines() if line.startswith("# code object from")]

    assert ended.returncode == 0, ended.stderr[-2000:]
    assert len(loaded) > 300
    assert [line for line in loaded if not line.endswith(".pyc'")] == []


def test_every_applet_is_there_to_look_around_with(image: Callable[[str], Unpacked]) -> None:
    listed = image(OBSERVER).run("busybox", "--list").stdout.split()
    found = image(OBSERVER).run("which", *APPLETS)

    assert {*APPLETS} <= {*listed}
    assert len(found.stdout.split()) == len(APPLETS)


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_serves_as_itself_without_a_database(
    image: Callable[[str], Unpacked], release: str
) -> None:
    unpacked, port = image(chirps_tag(release)), free_port()
    settings = {"CHIRPS_HOST": "127.0.0.1", "CHIRPS_PORT": str(port), "PGHOST": "127.0.0.1"}

    def answer() -> http.client.HTTPResponse | None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/livez")
            return connection.getresponse()
        except OSError:
            return None
        finally:
            connection.close()

    with unpacked.started("serve", **settings, PGPORT=str(free_port())) as process:
        wait_until(lambda: answer() is not None, process)
        answered = answer()
        owner = Path(f"/proc/{first_process(process)}").stat().st_uid
    assert answered is not None
    assert (answered.status, answered.getheader("X-Chirps-Version")) == (200, release)
    assert owner == 1000


def test_the_service_can_be_called_by_its_name(image: Callable[[str], Unpacked]) -> None:
    ended = image(chirps_tag("v1")).run("chirps", "--help")

    assert ended.returncode == 0
    assert "migrate" in ended.stdout


def test_the_database_starts_once_and_keeps_what_it_was_told(database: Unpacked) -> None:
    port = free_port()
    with start(database, port, "track_commit_timestamp=on") as process:
        wait_until(lambda: is_ready(database, port), process)
        assert psql(database, port, "-c", "SHOW track_commit_timestamp") == "on"
        assert psql(database, port, "-c", "CREATE TABLE kept AS SELECT 7") == "SELECT 1"
        assert stop(process, database) == 0
    shutil.rmtree((database.root / PASSWORD_FILE).parent)

    with start(database, port) as process:
        wait_until(lambda: is_ready(database, port), process)
        assert psql(database, port, "-c", "SELECT * FROM kept") == "7"
        assert stop(process, database) == 0


def test_the_database_runs_as_its_own_user_and_stops_fast_with_clients(
    database: Unpacked,
) -> None:
    port = free_port()
    with start(database, port) as process:
        wait_until(lambda: is_ready(database, port), process)
        first = Path(f"/proc/{first_process(process)}")
        assert first.stat().st_uid == 999
        assert (first / "comm").read_text() == "postgres\n"
        idle = database.command("psql", "-p", str(port), "-c", "SELECT pg_sleep(600)")
        with subprocess.Popen(idle, stderr=subprocess.PIPE) as client:
            sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            wait_until(lambda: psql(database, port, "-c", sleeping) == "1", process)
            assert stop(process, database) == 0
            assert client.wait(BOUND_S) != 0


def test_by_the_network_a_password_is_asked_for(database: Unpacked) -> None:
    port = free_port()
    with start(database, port) as process:
        wait_until(lambda: is_ready(database, port), process)
        by_network = ("-h", "127.0.0.1", "-c", "SELECT 1")
        assert psql(database, port, *by_network, PGPASSWORD=PASSWORD) == "1"
        assert "password authentication failed" in psql(
            database, port, *by_network, PGPASSWORD="wrong"
        )
        assert "no password supplied" in psql(database, port, *by_network)
        hashed = psql(
            database, port, "-c", "SELECT left(rolpassword, 13) FROM pg_authid WHERE rolcanlogin"
        )
        assert hashed == "SCRAM-SHA-256"
        rule = "SELECT address, auth_method FROM pg_hba_file_rules WHERE address = 'all'"
        assert psql(database, port, "-c", rule) == "all|scram-sha-256"
        assert psql(database, port, "-c", "SHOW listen_addresses") == "*"


def test_a_database_that_was_cut_off_in_the_making_is_made_anew(database: Unpacked) -> None:
    data = database.root / POSTGRES_DATA.lstrip("/")
    partial = data.with_name("data.partial")
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18\n")
    port = free_port()

    with start(database, port) as process:
        wait_until(lambda: is_ready(database, port), process)
        assert psql(database, port, "-c", "SELECT 1") == "1"
        assert stop(process, database) == 0
    assert not partial.exists()


def test_what_is_no_database_is_left_alone(database: Unpacked) -> None:
    data = database.root / POSTGRES_DATA.lstrip("/")
    data.mkdir(parents=True)
    (data / "letters.txt").write_text("dear")

    with start(database, free_port()) as process:
        assert process.wait(BOUND_S) == 78
    assert "neither empty nor a database" in database.log()
    assert (data / "letters.txt").read_text() == "dear"


def test_what_was_packed_twice_is_the_same(artifacts: dict[str, Artifact], tmp_path: Path) -> None:
    """Nodes tell by its id that they have an image already."""
    recipe = next(each for each in service_recipes() if each.name == "chirps-images")
    paths = find_paths()

    (tmp_path / "scratch").mkdir()
    needs = {need: artifacts[need] for need in recipe.needs}
    recipe.build(Workshop(paths, Silent(), tmp_path / "tree", tmp_path / "scratch", needs))

    name = Path(DIRECTORY) / "chirps.json"
    assert (tmp_path / "tree" / name).read_text() == (
        artifacts["chirps-images"].tree / name
    ).read_text()
