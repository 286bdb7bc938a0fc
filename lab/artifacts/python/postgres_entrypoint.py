"""Prepare a data directory once, then become PostgreSQL.

The first process of the database's container. Reads PGDATA and, before the first
start, POSTGRES_PASSWORD_FILE, which holds the superuser's password; arguments go to
`postgres` (`-c name=value`). PGDATA is made whole beside its place and then renamed
into it, so a power cut leaves either no database or one that starts; what a volume
is mounted at is therefore the folder above PGDATA.

Exit code 78 for a configuration that cannot work; else that of what failed. PostgreSQL
stops fast on SIGINT, which the image names as its stop signal.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

USER_ID = 999
SUPERUSER = "postgres"
EXIT_CONFIGURATION = 78
# On top of what initdb writes, which lets in by TCP from the loopback address only.
ACCESS_BY_NETWORK = "host all all all scram-sha-256\n"
INITDB = (
    *("initdb", f"--username={SUPERUSER}", "--auth-local=trust", "--auth-host=scram-sha-256"),
    # The server's own collation: no locale of the system can change an index's order.
    *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    *("--set", "listen_addresses=*"),
)


class Unusable(Exception):
    """The configuration cannot work; the message says why."""


def main(arguments: list[str], environ: Mapping[str, str]) -> NoReturn:
    try:
        data = read_place(environ)
        password = None if is_prepared(data) else read_password(environ)
    except Unusable as exc:
        sys.stderr.write(f"{exc}\n")
        sys.exit(EXIT_CONFIGURATION)
    if os.geteuid() == 0:
        take_over(data)
    if password is not None:
        prepare(data, password)
    # To be the process that gets the container's signals is what this is for.
    os.execvp("postgres", ["postgres", "-D", str(data), *arguments])  # noqa: S606


def read_place(environ: Mapping[str, str]) -> Path:
    """Return where the database lies; Unusable unless that is an absolute path of its own."""
    data = Path(environ.get("PGDATA", ""))
    if not data.is_absolute() or data == data.parent:
        raise Unusable(f"PGDATA is no absolute path of a directory: {str(data)!r}")
    if not is_prepared(data) and data.is_dir() and any(data.iterdir()):
        raise Unusable(f"{data} is neither empty nor a database")
    if data.is_mount() and not is_prepared(data):
        raise Unusable(f"{data} is a mount point: mount the volume at {data.parent}")
    return data


def is_prepared(data: Path) -> bool:
    return (data / "PG_VERSION").is_file()


def read_password(environ: Mapping[str, str]) -> str:
    """Return the first line of the password file; Unusable if there is none."""
    name = environ.get("POSTGRES_PASSWORD_FILE", "")
    try:
        lines = Path(name).read_text().splitlines() if name else []
    except OSError as exc:
        raise Unusable(f"POSTGRES_PASSWORD_FILE cannot be read: {exc}") from exc
    if not lines or not lines[0]:
        raise Unusable(f"POSTGRES_PASSWORD_FILE names no file with a password: {name!r}")
    return lines[0]


def take_over(data: Path) -> None:
    """Give the volume to PostgreSQL's own user, and become that user."""
    data.parent.mkdir(parents=True, exist_ok=True)
    for path in (data.parent, data):
        if path.is_dir() and path.stat().st_uid != USER_ID:
            give(path)
    os.setgroups([])
    os.setgid(USER_ID)
    os.setuid(USER_ID)


def give(path: Path) -> None:
    for each in (path, *path.rglob("*")):
        os.chown(each, USER_ID, USER_ID, follow_symlinks=False)


def prepare(data: Path, password: str) -> None:
    """Make the database beside its place, and put it there when all of it is on the disk."""
    partial = data.with_name(f"{data.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    run_initdb(partial, password)
    with (partial / "pg_hba.conf").open("a") as access:
        access.write(ACCESS_BY_NETWORK)
        access.flush()
        os.fsync(access.fileno())
    with contextlib.suppress(FileNotFoundError):
        data.rmdir()
    partial.rename(data)
    sync(data.parent)


def run_initdb(target: Path, password: str) -> None:
    """Run initdb; the password reaches it by a pipe, and never lies in a file of ours."""
    reading, writing = os.pipe()
    os.write(writing, f"{password}\n".encode())
    os.close(writing)
    command = (*INITDB, f"--pwfile=/dev/fd/{reading}", f"--pgdata={target}")
    ended = subprocess.run(command, pass_fds=(reading,), stdout=sys.stderr, check=False)
    os.close(reading)
    if ended.returncode != 0:
        sys.exit(ended.returncode)


def sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
