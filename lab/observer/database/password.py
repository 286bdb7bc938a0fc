"""Where does the database's password come from?

libpq takes it from the environment, which is shown to whoever may list processes. So a file
may hold it instead; libpq itself only knows one with a line for each server.
"""

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "PGPASSWORD_FILE"


class PasswordUnreadable(OSError):
    """There should be a file with a password, and there is none that can be read."""


def from_file(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the password, None when libpq is to find one itself; raises PasswordUnreadable.

    Read for each connection: a Secret that is rotated changes the file of a running pod.
    """
    name = environ.get(VARIABLE)
    if not name:
        return None
    try:
        return Path(name).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise PasswordUnreadable(f"{VARIABLE} is {name!r}, which cannot be read: {exc}") from exc
