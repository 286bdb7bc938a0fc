"""What does a lock on a table stop? https://www.postgresql.org/docs/18/explicit-locking.html

Who waits for such a lock stops the same ones: they queue behind it.
"""

READS_AND_WRITES = "stops reads and writes"
WRITES = "stops writes"
NEITHER = "stops neither reads nor writes"

STOPS = {
    "AccessShareLock": NEITHER,
    "RowShareLock": NEITHER,
    "RowExclusiveLock": NEITHER,
    "ShareUpdateExclusiveLock": NEITHER,
    "ShareLock": WRITES,
    "ShareRowExclusiveLock": WRITES,
    "ExclusiveLock": WRITES,
    "AccessExclusiveLock": READS_AND_WRITES,
}


def is_felt(mode: str) -> bool:
    return STOPS[mode] != NEITHER
