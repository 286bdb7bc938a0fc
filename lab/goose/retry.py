"""May a file that failed run again, and when?

Only after 55P03 (lock_not_available) and 40P01 (deadlock_detected), which say nothing about
the file, and only when nothing of it stayed. The second is known from PostgreSQL itself: a
session numbers its transactions without a gap, so two looks at the number show whether the
one that failed was the only one between them. A NO TRANSACTION file is thus run again after
its first statement at most, and not after one that committed on its way. (A session that has
to catch up with many changes of others may have one transaction more; then nothing is tried
again, which is the safe side.)
"""

from dataclasses import dataclass

from lab.goose.annotations import Annotations
from lab.goose.errors import MigrationFailed
from lab.goose.options import Options
from lab.goose.table import Connection

RETRYABLE = ("55P03", "40P01")
# Who reads it is in a transaction with a number of its own.
NUMBER = """
    SELECT split_part(virtualtransaction, '/', 2)::bigint FROM pg_locks
    WHERE pid = pg_backend_pid() AND locktype = 'virtualxid'
"""


@dataclass(slots=True)
class Retries:
    """How often one file may still run again, and what its last attempt left."""

    connection: Connection
    options: Options
    most: int
    done: int = 0
    before: int = 0

    @classmethod
    def of(cls, connection: Connection, options: Options, notes: Annotations) -> "Retries":
        return cls(connection, options, options.retries_of(notes))

    def begin(self) -> None:
        """Remember where the session's count of transactions is."""
        if self.most:
            self.before = self.number()

    def allow(self, failure: MigrationFailed) -> bool:
        return (
            self.done < self.most
            and failure.sqlstate in RETRYABLE
            and not self.connection.closed
            and self.number() == self.before + 2
        )

    def number(self) -> int:
        # psycopg prepares what it has sent five times, in a transaction of its own.
        (found,) = self.connection.execute(NUMBER, prepare=False).fetchone() or (0,)
        return int(found)

    def next_delay_s(self) -> float:
        """Exponential back-off with full jitter: several runs must not come back together."""
        most = min(self.options.retry_most_s, self.options.retry_base_s * 2.0 ** min(self.done, 64))
        self.done += 1
        return self.options.rng.uniform(0, most)
