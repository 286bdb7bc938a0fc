"""The twin's PostgreSQL: the roles and the start state that a cluster has, in a second.

The start state is made by the service's own program, and kept by `lab.twin.datacache` under a
key of all that it depends on.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from lab.errors import InvalidValue, LabError, NoSpace
from lab.files import EDQUOT, ENOSPC
from lab.postgres import Server, roles, template
from lab.postgres.capacity import MAX_CONNECTIONS, RESERVED_CONNECTIONS
from lab.postgres.host import server_user
from lab.postgres.roles import DATABASE, SUPERUSER
from lab.twin.datacache import DataCache
from lab.twin.startstate import INITDB_OPTIONS, PROGRAM_BOUND_S, Size, execute, fill, key_of
from lab.twin.workplace import HINT, Workplace

SETTINGS = {
    "max_connections": str(MAX_CONNECTIONS),
    "reserved_connections": str(RESERVED_CONNECTIONS),
    # As manifests/postgres has them.
    "track_commit_timestamp": "on",
    "log_line_prefix": "%m [%p] %a %e ",
    # No twin outlives a power failure. What was acknowledged is still written before, so it
    # outlives PostgreSQL, as on a cluster.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "2MB",
    "max_wal_size": "256MB",
}


class TwinDatabase:
    """PostgreSQL in a twin's workplace, with a role for each of `releases`.

    `note` is told of what takes longer than a second.
    """

    def __init__(
        self,
        workplace: Workplace,
        cache: DataCache,
        *,
        releases: Sequence[str],
        size: Size | None = None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.size = size or Size()
        self._workplace = workplace
        self._data = workplace.path / "data"
        self._cache = cache
        self._roles = roles.roles_for(tuple(releases))
        self._note = note
        self._server = self._make_server()

    def start(self) -> None:
        """Start it with the template and the roles; `reset` makes the service's database.

        Raises NoSpace on a full disk, ServiceNotReady when PostgreSQL does not start.
        """
        try:
            with says_when_it_is_full():
                self._bring_files()
                self._server.start()
                self._give_passwords()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it and remove its files; may be done twice."""
        self._server.stop()
        # The server keeps what it found there when it could not start.
        shutil.rmtree(self._data, ignore_errors=True)

    def reset(self) -> None:
        """Put the service's database back to the start state; who is connected is thrown out."""
        self.run(template.restore())

    def shut_down(self) -> None:
        """Shut it down for a while: whoever asks is refused, and the data stays."""
        self._server.shut_down()

    def start_again(self) -> None:
        """Start it where it was; does nothing while it runs. Raises ServiceNotReady."""
        self._server.start_again()

    def mend(self) -> None:
        """Take back what was done to it, whatever it was."""
        self.start_again()
        for role in self._roles:
            self._restore_password(role)

    def spoil_password(self, release: str) -> None:
        """Give who logs in as the release a wrong password; the right one is kept beside it."""
        file = self._file_of(release)
        right = kept_beside(file)
        if not right.exists():
            file.replace(right)
        write_secret(file, "wrong-" + secrets.token_urlsafe(24))

    def restore_password(self, release: str) -> None:
        self._restore_password(roles.release_role(release))

    @property
    def is_running(self) -> bool:
        return self._server.is_running

    @property
    def place(self) -> dict[str, str]:
        """Return where the service's database is, as libpq's variables."""
        given = self._server.connection_tcp(DATABASE)
        return {
            "PGHOST": str(given["host"]),
            "PGPORT": str(given["port"]),
            "PGDATABASE": DATABASE,
        }

    def login(self, role: str) -> dict[str, str]:
        """Return who one is there, as libpq's variables; `role` as in `lab.postgres.roles`."""
        assert role in self._roles, f"there is no role {role}"
        return {"PGUSER": roles.sql_role(role), "PGPASSWORD_FILE": str(self._password_file(role))}

    def login_of_release(self, release: str) -> dict[str, str]:
        return self.login(roles.release_role(release))

    def variables(self, role: str) -> dict[str, str]:
        return {**self.place, **self.login(role)}

    def run(self, statements: str | Iterable[str], *, database: str = "postgres") -> None:
        """Run statements one after the other as the superuser, each in a transaction of its own.

        Raises DatabaseRefused with the SQLSTATE.
        """
        execute(self._server, statements, database=database)

    def connect(self, application: str) -> "psycopg.Connection[Any]":
        """Return the superuser's connection to the service's database, with autocommit."""
        given = self._server.connection(DATABASE)
        return psycopg.connect(**given, application_name=application, autocommit=True)

    def value(self, sql: str, *, database: str = DATABASE) -> Any:
        """Return the first field of the first row, None without rows; raises DatabaseRefused."""
        rows = execute(self._server, sql, database=database)
        return rows[0][0] if rows else None

    def log_tail(self) -> list[str]:
        return self._server.log_tail()

    def _make_server(self, *, tcp: bool = True, **settings: str) -> Server:
        return Server(
            self._data,
            settings={**SETTINGS, **settings},
            tcp=tcp,
            initdb=INITDB_OPTIONS,
            runtime=self._workplace.path,
            alive=self._workplace.lock,
        )

    def _bring_files(self) -> None:
        key = key_of(self.size)
        if self._fetch(key):
            return
        self._note("making the start state of the data, once")
        with self._cache.building(within_s=PROGRAM_BOUND_S) as alone:
            # Whoever was waited for has made it.
            if alone and self._fetch(key):
                return
            # What of the log is kept for reuse would be kept in the cache as well.
            fill(self._make_server(tcp=False, max_wal_size="2MB"), self.size)
            if alone:
                self._cache.store(key, self._data)

    def _fetch(self, key: str) -> bool:
        owner = server_user() if os.geteuid() == 0 else None
        return self._cache.fetch(key, self._data, owner=owner)

    def _give_passwords(self) -> None:
        passwords = {role: secrets.token_urlsafe(24) for role in self._roles}
        for role, password in passwords.items():
            write_secret(self._password_file(role), password)
        self.run(roles.statements(passwords))
        self._server.password = passwords[SUPERUSER]

    def _password_file(self, role: str) -> Path:
        return self._workplace.directory("passwords") / role

    def _file_of(self, release: str) -> Path:
        role = roles.release_role(release)
        if role not in self._roles:
            raise InvalidValue(f"the twin's database has no role for release {release!r}")
        return self._password_file(role)

    def _restore_password(self, role: str) -> None:
        right = kept_beside(self._password_file(role))
        if right.exists():
            right.replace(self._password_file(role))


def kept_beside(file: Path) -> Path:
    """Return where the right password is while a wrong one is in its place."""
    return file.with_name(f"{file.name}.right")


def write_secret(path: Path, secret: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)


@contextmanager
def says_when_it_is_full() -> Iterator[None]:
    """Raise NoSpace for what comes of a full disk, whoever met it: PostgreSQL, a program, we."""
    try:
        yield
    except LabError as exc:
        if not isinstance(exc, NoSpace) and os.strerror(ENOSPC) not in exc.message:
            raise
        raise NoSpace(exc.message, hint=HINT) from exc
    except OSError as exc:
        if exc.errno not in (ENOSPC, EDQUOT):
            raise
        raise NoSpace(f"no space left for {exc.filename or 'the database'}", hint=HINT) from exc
