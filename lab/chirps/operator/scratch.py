"""A database to try files on: made empty, filled by the files, dropped whatever happens.

It is made on the same server, so that its version and settings are the real ones, by a role that
may make databases. Who may not names an empty database of its own. What is not shut in a
database is shut in nothing: a file that makes a role or changes the server does so from here too.

One whose maker was killed is found by its name, and by the session that its maker would hold
open: its name is that of the database. The next run drops it.
"""

import contextlib
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

import psycopg
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from lab.chirps.admin import CONNECT_S, one_line
from lab.chirps.errors import CannotTell
from lab.chirps.operator.asking import Connection, told
from lab.chirps.settings import Settings

PREFIX = "chirps_scratch_"
# The server looks whether a client is still there while it works for it: otherwise a long
# statement of one that was killed would keep its database.
OPTIONS = "-c timezone=UTC -c client_connection_check_interval=1s"
# A maker holds its session before its database is there, so that one without a session is left
# over; those of its own role only, because only its owner may drop it.
LEFT_OVER = r"""
SELECT datname FROM pg_database AS found
WHERE datname ~ '^chirps_scratch_[0-9]+_[0-9a-f]+$'
  AND pg_has_role(datdba, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = found.datname)
"""
FOREIGN = """
SELECT count(*) FROM pg_class JOIN pg_namespace AS space ON space.oid = relnamespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
"""
SCHEMAS = """
SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
"""
PUBLIC = (
    "CREATE SCHEMA public AUTHORIZATION pg_database_owner",
    "GRANT USAGE ON SCHEMA public TO PUBLIC",
)


@contextlib.contextmanager
def scratch(asked: Settings, conninfo: str | None = None) -> Iterator[Connection]:
    """Give a connection in autocommit mode to an empty database that is gone afterwards.

    `conninfo` names one to use instead of making one; it must be empty and is emptied again.
    Raises CannotTell when there is none to be had.
    """
    with ended_by_sigterm():
        if conninfo is not None:
            with borrowed(conninfo) as connection:
                yield connection
        else:
            with made(asked) as connection:
                yield connection


@contextlib.contextmanager
def made(asked: Settings) -> Iterator[Connection]:
    name = f"{PREFIX}{int(time.time())}_{secrets.token_hex(4)}"
    with told("no scratch database"), connected(dict(asked.database), name) as maker:
        drop_left_over(maker)
        try:
            create(maker, name)
            with connected({**asked.database, "dbname": name}, name) as connection:
                yield connection
        finally:
            drop(maker, name)


@contextlib.contextmanager
def connected(parameters: dict[str, Any], name: str) -> Iterator[Connection]:
    own = {
        "application_name": name,
        "connect_timeout": CONNECT_S,
        "options": OPTIONS,
        "autocommit": True,
    }
    with psycopg.connect(**{**parameters, **own}) as connection:
        yield connection


def create(maker: Connection, name: str) -> None:
    """template0 holds nothing that somebody added to template1."""
    try:
        maker.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    except InsufficientPrivilege as error:
        role = maker.info.user
        raise CannotTell(
            f"role {role} may not make a scratch database to measure on\n"
            f"next: ALTER ROLE {role} CREATEDB;\n"
            "   or: name an empty database of yours: "
            "--scratch 'host=... dbname=empty user=...'"
        ) from error
    comment = sql.SQL("COMMENT ON DATABASE {} IS {}").format(
        sql.Identifier(name),
        sql.Literal("made by `chirps migrate` to try files on; may be dropped at any time"),
    )
    maker.execute(comment)


def drop(maker: Connection, name: str) -> None:
    """FORCE, because a session of ours may hang in it when all was interrupted."""
    with contextlib.suppress(psycopg.Error):
        maker.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def drop_left_over(maker: Connection) -> None:
    for (name,) in maker.execute(LEFT_OVER).fetchall():
        drop(maker, name)


@contextlib.contextmanager
def borrowed(conninfo: str) -> Iterator[Connection]:
    try:
        parameters = dict(psycopg.conninfo.conninfo_to_dict(conninfo))
    except psycopg.ProgrammingError as error:
        raise CannotTell(f"--scratch is no conninfo: {one_line(error)}") from error
    with told("the scratch database"), connected(parameters, PREFIX + "borrowed") as connection:
        count = connection.execute(FOREIGN).fetchone()
        if count != (0,):
            name = connection.info.dbname
            raise CannotTell(f"database {name!r} of --scratch is not empty, and would be emptied")
        try:
            yield connection
        finally:
            empty(connection)


def empty(connection: Connection) -> None:
    with contextlib.suppress(psycopg.Error):
        connection.execute("ROLLBACK")
    for (name,) in connection.execute(SCHEMAS).fetchall():
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
    for statement in PUBLIC:
        connection.execute(statement)


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the stack, as Ctrl-C does: a kill would leave the database."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
