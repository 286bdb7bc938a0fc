"""Who is at the root of a queue? The arithmetic of who waits for whom, without a database.

PostgreSQL counts as blocking also who stands before one in the queue, so a SELECT behind an ALTER
behind a forgotten transaction names the ALTER: the chain must be followed to its end.
"""

from collections.abc import Collection, Mapping

Blocked = Mapping[int, Collection[int]]
"""Who waits, and for whom: pid -> pids."""


def chain(pid: int, blocked: Blocked) -> frozenset[int]:
    """Return all that stand before `pid`, at any distance; itself only in a deadlock."""
    found: set[int] = set()
    waiting = list(blocked.get(pid, ()))
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting.extend(blocked.get(each, ()))
    return frozenset(found)


def roots(pids: Collection[int], blocked: Blocked) -> tuple[int, ...]:
    """Return those who block one of `pids` and wait for nobody, or for each other in a circle."""
    before = frozenset[int]().union(*(chain(pid, blocked) for pid in pids))
    return tuple(
        sorted(each for each in before if not blocked.get(each) or is_in_circle(each, blocked))
    )


def is_in_circle(pid: int, blocked: Blocked) -> bool:
    return pid in chain(pid, blocked)
