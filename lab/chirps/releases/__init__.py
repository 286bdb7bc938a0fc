"""Which code of a release is in this image, and what does every release have?

A release is a module of this package: old code is old code, not a flag. So the modules repeat
each other, as two commits of one file do, and nothing that a later release needs can change
an older one. The image of a release holds its own module only, so the name asked for may
well be missing.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Protocol, cast

from lab.chirps.chirp import Chirp, Listing, NewChirp
from lab.chirps.database import Database
from lab.chirps.errors import NoSuchRelease


class Release(Protocol):
    """`REQUIRED_SCHEMA` is the oldest schema version whose tables this code can use, `NUMBER`
    what the database's `chirps_schema.compat_floor` is compared with.

    Each function runs one statement; what the database refuses comes as psycopg.Error.
    """

    @property
    def NUMBER(self) -> int: ...  # noqa: N802 - a module's constant

    @property
    def REQUIRED_SCHEMA(self) -> int: ...  # noqa: N802 - a module's constant

    async def list_chirps(self, database: Database, wanted: Listing) -> Sequence[Chirp]: ...

    async def get_chirp(self, database: Database, chirp_id: int) -> Chirp | None: ...

    async def create_chirp(self, database: Database, new: NewChirp) -> Chirp: ...

    async def delete_chirp(self, database: Database, chirp_id: int, author_id: int) -> bool: ...


def available() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def load(code: str) -> Release:
    """Return the release `code`, or raise NoSuchRelease when this image has none of that name."""
    if code not in available():
        here = ", ".join(available()) or "none"
        raise NoSuchRelease(f"this image has no release {code!r} (it has {here})")
    return cast("Release", importlib.import_module(f"{__name__}.{code}"))
