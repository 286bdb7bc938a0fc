"""Speak SQL to the lab's database as its superuser, over the socket in its own pod.

psql and no driver: the database has no address outside of the lab's network, and
`kubectl exec` needs neither a password nor a port. SQL travels on standard input, so
that nothing of it stands in a list of processes.
"""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from lab.errors import DatabaseRefused, ServiceNotReady
from lab.lifecycle.access import kubectl_program
from lab.lifecycle.lab import Lab
from lab.postgres.roles import DATABASE, SUPERUSER
from lab.service.names import NAMESPACE, POSTGRES_POD

BOUND_S = 120.0
_ERROR = re.compile(r"^(?:psql:[^:]*:\d+: )?(?:ERROR|FATAL):  ([0-9A-Z]{5}): (.+)$", re.MULTILINE)


def psql_arguments(database: str, *, user: str = SUPERUSER) -> list[str]:
    return ["psql", "--no-psqlrc", f"--username={user}", f"--dbname={database}"]


@dataclass(frozen=True, slots=True)
class Database:
    """The database of one lab."""

    lab: Lab

    def run(self, sql: str, *, database: str = DATABASE) -> list[list[str]]:
        """Run SQL and return its rows as text; raise DatabaseRefused with the SQLSTATE.

        Several statements run one after the other, each in a transaction of its own.
        """
        flags = ["--quiet", "--no-align", "--tuples-only", "--field-separator=\t"]
        errors = ["--set=ON_ERROR_STOP=1", "--set=VERBOSITY=verbose", "--file=-"]
        done = self._exec([*psql_arguments(database), *flags, *errors], sql)
        if done.returncode != 0:
            raise refused(done.stderr)
        return [line.split("\t") for line in done.stdout.splitlines() if line]

    def value(self, sql: str, *, database: str = DATABASE) -> str | None:
        """Return the first field of the first row, None without rows."""
        rows = self.run(sql, database=database)
        return rows[0][0] if rows else None

    def _exec(self, argv: Sequence[str], text: str) -> "subprocess.CompletedProcess[str]":
        kubectl, environment = kubectl_program(self.lab)
        try:
            return subprocess.run(
                exec_command(kubectl, argv),
                input=text,
                capture_output=True,
                text=True,
                timeout=BOUND_S,
                env=environment,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise ServiceNotReady(
                f"the database did not answer within {BOUND_S:g} s",
                hint=f"lab kubectl -n {NAMESPACE} logs {POSTGRES_POD}",
            ) from exc


def exec_command(kubectl: Sequence[str], argv: Sequence[str]) -> list[str]:
    """Return the command that runs `argv` in the database's pod, with our standard input."""
    return [*kubectl, "exec", "-i", "-n", NAMESPACE, POSTGRES_POD, "--", *argv]


def refused(said: str) -> DatabaseRefused:
    """Return the error that psql, or kubectl in its place, spoke of."""
    found = _ERROR.search(said)
    if not found:
        last = said.strip().splitlines()[-1:] or ["no output"]
        return DatabaseRefused(
            f"the database could not be asked: {last[0]}",
            hint=f"lab kubectl -n {NAMESPACE} get pods",
        )
    return DatabaseRefused(
        f"the database refused a statement: {found[2]} (SQLSTATE {found[1]})",
        sqlstate=found[1],
        hint=f"lab kubectl -n {NAMESPACE} logs {POSTGRES_POD}",
    )
