"""python -m benchmarks.goose: our runner beside the real goose, on the same files and server.

By turns, each time on a new database: up with all files pending, and up once more with none. Ours
is measured as a program that is started, as goose is, and within a process that runs already.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.machine import describe_machine, load_average
from benchmarks.timing import timed
from lab import goose
from lab.errors import LabError
from lab.postgres import Server
from tests.goose.program import build_goose

FILES = 200
RUNS = 5
NO_SYNC = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
TABLE = """-- +goose Up
CREATE TABLE table_{n} (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    author bigint NOT NULL,
    body text NOT NULL DEFAULT ''
);
-- +goose Down
DROP TABLE table_{n};
"""
INDEX = """-- +goose Up
CREATE INDEX table_{table}_author ON table_{table} (author);
-- +goose Down
DROP INDEX table_{table}_author;
"""
OURS = """
import sys, pathlib, psycopg
from lab import goose
with psycopg.connect(sys.argv[2], autocommit=True) as connection:
    goose.up(connection, goose.collect(pathlib.Path(sys.argv[1])))
"""

Runner = Callable[[Path, str], float]
"""Applies what is pending of a folder to the database of a connection string; returns seconds."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds of each run of one runner."""

    runner: str
    all_pending: tuple[float, ...]
    none_pending: tuple[float, ...]


def main(argv: Sequence[str]) -> int:
    options = _options(argv)
    before = load_average()
    try:
        figures = measure(options.files, options.runs, NO_SYNC if options.no_sync else {})
    except (LabError, goose.GooseError) as error:
        sys.stderr.write(f"Error: {error.message}\n")
        return error.exit_code if isinstance(error, LabError) else 1
    about = {
        **describe_machine(),
        "load average before and after": f"{before:.1f} and {load_average():.1f}",
        "commits": "not waited for" if options.no_sync else "on disk",
        "runs": str(options.runs),
    }
    sys.stdout.write("\n".join(render(figures, options.files, about)) + "\n")
    return 0


def measure(files: int, runs: int, settings: Mapping[str, str]) -> list[Figures]:
    runners = {
        "goose": by_goose(build_goose()),
        "ours, started": by_our_program,
        "ours, in a process": in_this_process,
    }
    applied, idle = defaultdict(list), defaultdict(list)
    with workplace(files, settings) as (folder, server):
        for number in range(runs):
            for name in turned(tuple(runners), number):
                sys.stderr.write(f"run {number + 1} of {runs}: {name}\n")
                with new_database(server) as database:
                    applied[name].append(runners[name](folder, database))
                    idle[name].append(runners[name](folder, database))
                    require_applied(database, files)
    return [Figures(name, tuple(applied[name]), tuple(idle[name])) for name in runners]


def turned(names: tuple[str, ...], by: int) -> tuple[str, ...]:
    """Let another one begin each time, so that none always finds a warm server."""
    start = by % len(names)
    return names[start:] + names[:start]


@contextmanager
def workplace(files: int, settings: Mapping[str, str]) -> Iterator[tuple[Path, Server]]:
    """A folder of migrations and a server, which go away again."""
    with tempfile.TemporaryDirectory(prefix="lab-benchmark-", dir="/var/tmp") as name:
        directory = Path(name)
        # The server is another user when root runs this.
        directory.chmod(0o755)
        folder = directory / "migrations"
        write_files(folder, files)
        with Server(directory / "data", settings=settings) as server:
            yield folder, server


def write_files(folder: Path, number: int) -> None:
    """Write a table, an index on it, a table, and so on."""
    folder.mkdir()
    for n in range(1, number + 1):
        text = TABLE.format(n=n) if n % 2 else INDEX.format(table=n - 1)
        (folder / f"{n:05}_file.sql").write_text(text)


@contextmanager
def new_database(server: Server) -> Iterator[str]:
    with psycopg.connect(**server.connection(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE benchmark TEMPLATE template0")
        # What is written now is not to be written while someone is measured.
        connection.execute("CHECKPOINT")
        try:
            yield psycopg.conninfo.make_conninfo(**server.connection("benchmark"))
        finally:
            connection.execute("DROP DATABASE benchmark WITH (FORCE)")


def require_applied(database: str, files: int) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        version = goose.current_version(connection)
    if version != files:
        raise LabError(f"the database has version {version}, not {files}")


def by_goose(program: Path) -> Runner:
    def run(folder: Path, database: str) -> float:
        argv = [str(program), "-env", "none", "-dir", str(folder), "postgres", database, "up"]
        return timed(argv, env={}).seconds

    return run


def by_our_program(folder: Path, database: str) -> float:
    return timed([sys.executable, "-c", OURS, str(folder), database], env={}).seconds


def in_this_process(folder: Path, database: str) -> float:
    begun = time.monotonic()
    with psycopg.connect(database, autocommit=True) as connection:
        goose.up(connection, goose.collect(folder))
    return time.monotonic() - begun


def render(figures: Sequence[Figures], files: int, about: Mapping[str, str]) -> Iterator[str]:
    yield ", ".join(f"{name} {value}" for name, value in about.items())
    yield ""
    yield f"| {files} files | median | min | max | a file | none pending: median | min | max |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for each in figures:
        a_file = statistics.median(each.all_pending) / files
        yield (
            f"| {each.runner} | {spread(each.all_pending)} | {1000 * a_file:.2f} ms "
            f"| {spread(each.none_pending)} |"
        )


def spread(seconds: Sequence[float]) -> str:
    return " | ".join(
        f"{value:.3f} s" for value in (statistics.median(seconds), min(seconds), max(seconds))
    )


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.goose", description=__doc__)
    parser.add_argument("--files", type=int, default=FILES, help=f"how many ({FILES})")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of each runner ({RUNS})")
    parser.add_argument(
        "--no-sync", action="store_true", help="without waiting for the disk: the runners alone"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
