"""Where the files of the calling user live, also when they call through sudo.

Downloads and builds under XDG_CACHE_HOME, labs under XDG_DATA_HOME, runs and
fingerprints under XDG_STATE_HOME, each in a folder `lab`.
"""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import HostUnfit


@dataclass(frozen=True, slots=True)
class Caller:
    """The user who typed the command: root itself, or who stands behind sudo."""

    uid: int
    gid: int
    home: Path


@dataclass(frozen=True, slots=True)
class Paths:
    caller: Caller
    cache: Path
    data: Path
    state: Path

    def lab(self, name: str) -> Path:
        return self.data / name


def find_caller(environ: Mapping[str, str] = os.environ) -> Caller:
    """Return the user behind sudo when root was reached through it, else the process's own.

    Raises HostUnfit for a user whom the host does not know.
    """
    uid = os.geteuid()
    if uid == 0 and environ.get("SUDO_UID", "").isdecimal():
        uid = int(environ["SUDO_UID"])
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise HostUnfit(
            f"user {uid} is not known on this host, so where their labs are is not either",
            hint=f"getent passwd {uid}",
        ) from None
    own = uid == os.geteuid()
    home = Path(environ["HOME"]) if own and environ.get("HOME") else Path(entry.pw_dir)
    return Caller(uid, entry.pw_gid, home)


def find_paths(environ: Mapping[str, str] = os.environ) -> Paths:
    caller = find_caller(environ)

    def base(variable: str, default: str) -> Path:
        # The XDG specification says that a relative path is to be ignored.
        value = environ.get(variable, "")
        return (Path(value) if value.startswith("/") else caller.home / default) / "lab"

    return Paths(
        caller,
        cache=base("XDG_CACHE_HOME", ".cache"),
        data=base("XDG_DATA_HOME", ".local/share"),
        state=base("XDG_STATE_HOME", ".local/state"),
    )
