"""How are migrations to run? With nothing said, as goose runs them."""

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lab.goose.annotations import Annotations, Reversible
from lab.goose.crash import CrashPoint, kill_self
from lab.goose.errors import BadOption
from lab.goose.names import require_table_name

VERSION_TABLE = "goose_db_version"
FLOOR_TABLE = "chirps_schema"
# The CRC-32 of "goose", as in goose's lock/session_locker_options.go.
LOCK_ID = 4097083626


class Lock(StrEnum):
    """What keeps two runs apart.

    `none`: nothing, as goose's command line. `try`: ask again and again, as goose's provider
    with a session locker. `blocking`: wait within PostgreSQL, as golang-migrate; the wait
    holds a snapshot, and who holds the lock cannot build an index concurrently meanwhile.
    """

    NONE = "none"
    TRY = "try"
    BLOCKING = "blocking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Times are in seconds. Raises BadOption for what cannot be meant."""

    table: str = VERSION_TABLE
    """goose's -table: a name as SQL has it, so `Versions` is `versions`, and `"Versions"` not."""
    allow_missing: bool = False
    """goose's -allow-missing: apply files that are older than what was applied last."""
    lock: Lock = Lock.NONE
    lock_id: int = LOCK_ID
    lock_interval_s: float = 5.0
    lock_tries: int = 60
    """How often `try` asks again after the first time."""
    lock_timeout_s: float | None = None
    """Of a file's statements; 0 is no limit; None is what the file says, or the session has."""
    statement_timeout_s: float | None = None
    """0 is no limit; None is what the session has."""
    retries: int | None = None
    """How often a file that could not get a lock runs again; None is what it says, or never."""
    retry_base_s: float = 0.5
    retry_most_s: float = 10.0
    taken_back: frozenset[Reversible] | None = None
    """What a file must say of itself to be taken back; None is anything, as in goose."""
    floor_table: str = FLOOR_TABLE
    crash: CrashPoint | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    """The variables for ENVSUB."""
    rng: random.Random = field(default_factory=random.Random)
    sleep: Callable[[float], None] = time.sleep
    die: Callable[[], None] = kill_self

    def __post_init__(self) -> None:
        require_table_name(self.table)
        require_table_name(self.floor_table)
        for name in NUMBERS:
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise BadOption(f"{name} cannot be {value!r}")

    def lock_timeout_of(self, notes: Annotations) -> float | None:
        return notes.lock_timeout_s if self.lock_timeout_s is None else self.lock_timeout_s

    def retries_of(self, notes: Annotations) -> int:
        return (notes.retries or 0) if self.retries is None else self.retries


NUMBERS = (
    "lock_interval_s",
    "lock_tries",
    "lock_timeout_s",
    "statement_timeout_s",
    "retries",
    "retry_base_s",
    "retry_most_s",
)
DEFAULTS = Options()
