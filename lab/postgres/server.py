"""Run one PostgreSQL server of our own: how is it made, when is it ready, what does it leave?

Its files lie in a directory that the caller names; socket and log lie in a short-lived one in /tmp,
or where the caller says, because the path of a socket may have 107 bytes only (103 on macOS). Root
may not run PostgreSQL, so started by root all belongs to, and runs as, the user `nobody`. Nothing
of a server outlives `stop`, nor the process that started it.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.errors import HostUnfit, ServiceNotReady
from lab.postgres.binaries import copy_binaries, find_binaries, is_open_to_all
from lab.postgres.handle import Handle, wait_gone
from lab.postgres.host import (
    LOOPBACK,
    UNPRIVILEGED,
    environment,
    free_port,
    require_short,
    server_user,
)

TETHER = Path(__file__).with_name("tether.py")
SUPERUSER = "postgres"
RUNTIME = Path("/tmp")  # noqa: S108 - what is made there is the user's alone
READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.02
TAIL_LINES = 20
PORT_TRIES = 5
PORT_TAKEN = "Address already in use"

# Of the builtin locale provider, so that what sorts how does not depend on the host.
INITDB = (
    "--auth-local=trust",
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--locale=C.UTF-8",
    "--no-sync",
    "--no-instructions",
)
DEFAULTS = {
    "timezone": "UTC",
    "log_timezone": "UTC",
    # In the data directory, and so gone with it also when the server was killed.
    "dynamic_shared_memory_type": "mmap",
}


class Server:
    """A server with its data in `data`, which is made by `start` and removed by `stop`.

    `settings` are PostgreSQL's own, by name, `initdb` options for making the data. With
    `tcp=False` only the socket listens. On the socket every role is trusted (the directory is
    the user's alone); over TCP the password is asked for; `password` is the superuser's in
    data that `start` has made. The short-lived directory is made in `runtime`. `alive` is a
    file whose shared lock is held as long as any process of the server is left. Also a
    context manager.
    """

    def __init__(
        self,
        data: Path,
        *,
        settings: Mapping[str, str] | None = None,
        tcp: bool = True,
        initdb: Sequence[str] = (),
        runtime: Path = RUNTIME,
        alive: Path | None = None,
    ) -> None:
        self.data = data
        self.settings = {**DEFAULTS, **(settings or {})}
        self.tcp = tcp
        self._initdb = (*INITDB, *initdb)
        self._runtime_parent = runtime
        self._alive = alive
        self.password = secrets.token_urlsafe(16)
        self.port = 5432
        self._runtime: Path | None = None
        self._binaries: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._postmaster: Handle | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def socket_directory(self) -> Path:
        assert self._runtime is not None, "the server is not started"
        return self._runtime

    @property
    def binaries(self) -> Path:
        """The installation this server runs from."""
        assert self._binaries is not None, "the server is not started"
        return self._binaries

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def connection(self, database: str = "postgres", *, user: str = SUPERUSER) -> dict[str, Any]:
        """Return libpq's parameters for the socket, as keywords for `psycopg.connect`."""
        return {
            "host": str(self.socket_directory),
            "port": self.port,
            "user": user,
            "dbname": database,
        }

    def connection_tcp(self, database: str = "postgres") -> dict[str, Any]:
        """Return libpq's parameters for TCP, with the superuser's password."""
        return {**self.connection(database), "host": LOOPBACK, "password": self.password}

    def start(self) -> None:
        """Make the database where there is none yet, start the server and wait until it is ready.

        Raises ServiceNotReady with the last lines it wrote when it does not start,
        HostUnfit where its user cannot reach the directory.
        """
        assert not self.is_running, "the server is started already"
        self._runtime = Path(tempfile.mkdtemp(prefix="lab-pg-", dir=self._runtime_parent))
        is_new = not self.data.exists()
        try:
            self._prepare()
            if not (self.data / "PG_VERSION").exists():
                self._make_database()
            self._listen()
        except BaseException:
            self.stop(keep_data=not is_new)
            raise

    def stop(self, *, keep_data: bool = False) -> None:
        """Shut it down and remove what it made; does nothing when it is stopped already."""
        self.shut_down()
        if self._runtime is not None:
            shutil.rmtree(self._runtime)
            self._runtime = None
            if not keep_data:
                shutil.rmtree(self.data, ignore_errors=True)

    def shut_down(self) -> None:
        """Shut it down for a while (fast: sessions are ended); nothing is removed."""
        if self._process is not None:
            end(self._process)
            wait_gone(self._postmaster)
            self._process = self._postmaster = None

    def start_again(self) -> None:
        """Start it where it was; does nothing while it runs. Raises ServiceNotReady."""
        assert self._runtime is not None, "the server was never started"
        if self.is_running:
            return
        self.shut_down()
        # One that was killed left it, and would be taken for ready by it.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self._start_once()
        if not self._becomes_ready():
            raise self._failure(f"PostgreSQL in {self.data} did not start again")

    def _prepare(self) -> None:
        """Give the server's user its directories and programs it can reach."""
        self._binaries = find_binaries()
        require_short(self.socket_directory)
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() != 0:
            return
        for place in (self.data, self.socket_directory):
            if not is_open_to_all(place.parent.resolve()):
                raise HostUnfit(
                    f"user {UNPRIVILEGED} cannot reach {place}", hint=f"namei -m {place.parent}"
                )
        if not is_open_to_all(self._binaries.resolve()):
            self._binaries = copy_binaries(self._binaries, self.socket_directory / "programs")
        for directory in (self.data, self.socket_directory):
            os.chown(directory, *server_user())

    def _make_database(self) -> None:
        password_file = self.socket_directory / "password"
        password_file.write_text(self.password)
        password_file.chmod(0o644)  # in a directory that only the user can enter
        process = self._run(
            "initdb",
            f"--pgdata={self.data}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            *self._initdb,
        )
        status = process.wait()
        end(process)
        password_file.unlink()
        if status != 0:
            raise self._failure(f"no database could be made in {self.data}")

    def _listen(self) -> None:
        """Start it on a port that is free; another program may take that port first."""
        for _ in range(PORT_TRIES):
            if self.tcp:
                self.port = free_port()
            self._log.unlink(missing_ok=True)
            self._start_once()
            if self._becomes_ready():
                return
            if PORT_TAKEN not in "\n".join(self.log_tail()):
                break
        raise self._failure(f"PostgreSQL in {self.data} did not start")

    def _start_once(self) -> None:
        settings = {
            **self.settings,
            "listen_addresses": LOOPBACK if self.tcp else "",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_directory),
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        self._process = self._run("postgres", "-D", str(self.data), *options)

    def _becomes_ready(self) -> bool:
        """Wait for the state in line 8 of postmaster.pid, as pg_ctl does; False when it ended.

        Raises ServiceNotReady when it neither gets ready nor ends within the bound.
        """
        assert self._process is not None
        for _ in range(int(READY_WITHIN_S / LOOK_EVERY_S)):
            lines = self._postmaster_lines()
            if lines[7:] == ["ready   "]:
                with contextlib.suppress(ProcessLookupError):
                    self._postmaster = Handle(int(lines[0]), is_it=self._postmaster_lines)
                    return True
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(LOOK_EVERY_S)
                end(self._process)
                return False
        raise self._failure(f"PostgreSQL in {self.data} is not ready after {READY_WITHIN_S:g} s")

    def _postmaster_lines(self) -> list[str]:
        """Return the lines of postmaster.pid as far as it is this server's, and else none."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []
        # One that a killed server left names another socket directory.
        return lines if lines[4:5] == [str(self.socket_directory)] else []

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of the programs below a tether, with its output in the log."""
        uid, gid = server_user()
        held = (str(uid), str(gid), str(self._alive or ""))
        tether = [sys.executable, "-I", "-S", str(TETHER), *held]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*tether, str(self.binaries / "bin" / program), *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.socket_directory,
                env=environment(os.environ),
                # Ctrl-C on the terminal must reach the caller alone, who then stops it in order.
                start_new_session=True,
            )

    @property
    def _log(self) -> Path:
        return self.socket_directory / "log"

    def log_tail(self) -> list[str]:
        """Return the last lines the server wrote."""
        if not self._log.exists():
            return []
        return self._log.read_text(errors="replace").splitlines()[-TAIL_LINES:]

    def _failure(self, what: str) -> ServiceNotReady:
        return ServiceNotReady("\n".join((what, *(f"  {line}" for line in self.log_tail()))))


def end(process: subprocess.Popen[bytes]) -> None:
    """Let go of a tether and wait until it has ended what it held."""
    with process:
        assert process.stdin is not None
        process.stdin.close()
