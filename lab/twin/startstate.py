"""The start state of the twin's data: what goes into it, and how is it made?

By the service's own program: base migrations and seed, in a template database, as on a cluster.
"""

import hashlib
import platform
import secrets
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

import lab
from lab.errors import DatabaseRefused, ServiceNotReady
from lab.postgres import Server, find_binaries, roles, template
from lab.postgres.roles import MIGRATIONS_ROLE, TEMPLATE
from lab.postgres.server import INITDB
from lab.twin.programs import environment

FORMAT = 1
BASE_SCHEMA = 5
PROGRAM_BOUND_S = 300.0
CODE = Path(lab.__file__).parent
MADE_BY = (
    "chirps/migrations/base/*.sql",
    "chirps/seed.py",
    "chirps/passwords.py",
    "goose/*.py",
    "postgres/roles.py",
    "postgres/template.py",
)
# The smallest segments that there are: what is copied is small.
INITDB_OPTIONS = ("--wal-segsize=1",)


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is at the start; of much more a reset takes longer than a second."""

    users: int = 2_000
    chirps: int = 20_000


def fill(server: Server, size: Size) -> None:
    """Make the files of a server that has the template, and stop it again."""
    server.start()
    try:
        nobody_knows = {role: secrets.token_urlsafe(24) for role in roles.roles_for(())}
        execute(server, roles.statements(nobody_knows))
        execute(server, template.create(TEMPLATE))
        execute(server, roles.grants(), database=TEMPLATE)
        chirps(server, "migrate", "up", "--to", str(BASE_SCHEMA))
        chirps(server, "seed", "--users", str(size.users), "--chirps", str(size.chirps))
        execute(server, template.TIDY, database=TEMPLATE)
        execute(server, template.close(f"lab twin {size.users} {size.chirps}"))
    except BaseException:
        server.stop()
        raise
    server.stop(keep_data=True)


def chirps(server: Server, *arguments: str) -> None:
    """Run the service's program on the template, by the socket, where nobody asks a password."""
    command = [sys.executable, "-P", "-m", "lab.chirps", *arguments]
    given = server.connection(TEMPLATE, user=roles.sql_role(MIGRATIONS_ROLE))
    where = {"PGHOST": given["host"], "PGPORT": str(given["port"]), "PGDATABASE": TEMPLATE}
    try:
        done = subprocess.run(
            command,
            env=environment({**where, "PGUSER": given["user"]}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROGRAM_BOUND_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ServiceNotReady(
            f"chirps {arguments[0]} did not end within {PROGRAM_BOUND_S:g} s"
        ) from exc
    if done.returncode != 0:
        last = "\n".join(done.stderr.splitlines()[-5:])
        raise ServiceNotReady(f"chirps {arguments[0]} ended with {done.returncode}:\n{last}")


def execute(
    server: Server, statements: str | Iterable[str], *, database: str = "postgres"
) -> list[tuple[Any, ...]]:
    """Run statements as the superuser and return the rows of the last; raises DatabaseRefused."""
    rows: list[tuple[Any, ...]] = []
    try:
        with closing(psycopg.connect(**server.connection(database), autocommit=True)) as connection:
            for each in (statements,) if isinstance(statements, str) else statements:
                cursor = connection.execute(each.encode())
                rows = cursor.fetchall() if cursor.description else []
    except psycopg.Error as exc:
        state = exc.sqlstate or ""
        said = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise DatabaseRefused(
            f"the database refused a statement: {said}" + (f" (SQLSTATE {state})" if state else ""),
            sqlstate=state,
        ) from exc
    return rows


def key_of(size: Size, *, code: Path = CODE) -> str:
    """Return a name for the start state: another one when anything that went in is another."""
    digest = hashlib.sha256()
    about = (FORMAT, size, BASE_SCHEMA, INITDB, INITDB_OPTIONS, sys.platform, platform.machine())
    digest.update(repr(about).encode())
    made_by = [path for pattern in MADE_BY for path in sorted(code.glob(pattern))]
    for path in (*made_by, find_binaries() / "bin/postgres"):
        digest.update(path.name.encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
