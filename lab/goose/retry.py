"""May a file that failed run again, and when?

Only after 55P03 (lock_not_available) and 40P01 (deadlock_detected), which say nothing about
the file, and only when nothing of it stayed.

A file that runs in one transaction and has no word in it that could end that transaction left
nothing. Of any other it is known from PostgreSQL: a session numbers its transactions without
a gap, so two looks at the number show whether the one that failed was the only one between
them. A NO TRANSACTION file is thus run again after its first statement at most, and not after
one that committed on its way. A session that has to catch up with many changes of others has
a transaction more (ProcessCatchupInterrupt in src/backend/storage/ipc/sinval.c); where the
number is what counts nothing is tried again then, which is the safe side.
"""

import re
from dataclasses import dataclass

from lab.goose.annotations import Annotations
from lab.goose.errors import MigrationFailed
from lab.goose.options import Options
from lab.goose.parse import Script
from lab.goose.table import Connection

RETRYABLE = ("55P03", "40P01")
# Who reads it is in a transaction with a number of its own.
NUMBER = """
    SELECT split_part(virtualtransaction, '/', 2)::bigint FROM pg_locks
    WHERE pid = pg_backend_pid() AND locktype = 'virtualxid'
"""


# In a block of SQL or a string they may mean something else; then the number counts.
ENDS_TRANSACTION = re.compile(
    r"\b(?:abort|begin|commit|end|prepare|rollback|start)\b", re.IGNORECASE
)


def stays_whole(script: Script) -> bool:
    """Whether all of it is in one transaction, whatever PostgreSQL makes of its statements."""
    return script.in_transaction and not any(
        ENDS_TRANSACTION.search(each.text) for each in script.statements
    )


@dataclass(slots=True)
class Retries:
    """How often one file may still run again, and what its last attempt left."""

    connection: Connection
    options: Options
    most: int
    is_whole: bool = False
    done: int = 0
    before: int = 0

    @classmethod
    def of(
        cls, connection: Connection, options: Options, notes: Annotations, script: Script
    ) -> "Retries":
        return cls(connection, options, options.retries_of(notes), stays_whole(script))

    def begin(self) -> None:
        """Remember where the session's count of transactions is."""
        if self.most:
            # psycopg prepares what it has sent five times, in a transaction of its own: BEGIN,
            # of the sixth try.
            self.connection.prepare_threshold = None
            self.before = self.number()

    def allow(self, failure: MigrationFailed) -> bool:
        return (
            self.done < self.most
            and failure.sqlstate in RETRYABLE
            and not self.connection.closed
            and (self.is_whole or self.number() == self.before + 2)
        )

    def number(self) -> int:
        (found,) = self.connection.execute(NUMBER).fetchone() or (0,)
        return int(found)

    def next_delay_s(self) -> float:
        """Exponential back-off with full jitter: several runs must not come back together."""
        most = min(self.options.retry_most_s, self.options.retry_base_s * 2.0 ** min(self.done, 64))
        self.done += 1
        return self.options.rng.uniform(0, most)
