"""Who waits for a lock, since when, and who is first in the queue?

By the samples of the database. PostgreSQL grants locks in the order in which they were asked
for, as far as they conflict: who asks for a strong one waits for those who have a weak one, and
whoever comes later waits for him, although he has nothing yet. So those who block are told from
those who are to blame by whether they wait themselves
(https://www.postgresql.org/docs/18/functions-info.html, pg_blocking_pids).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lab.scenario.events import NS, Event
from lab.scenario.evidence import MissingEvidence, Window
from lab.scenario.history import History


@dataclass(frozen=True, slots=True)
class Queue:
    """What one sample saw: who blocks and waits for nobody, by application_name.

    `since` is when the one who waits longest began to, in ns, `bound` how uncertain that is.
    """

    since: int
    bound: int
    waiting: int
    roots: tuple[str, ...]


def queues(history: History, window: Window) -> Sequence[Queue]:
    """Return a queue for each sample in which somebody waits; oldest first.

    Raises MissingEvidence when no sample was answered: then nobody knows.
    """
    answered = [s for s in history.of("db") if s["t"] in window and "blocked" in s]
    if not answered:
        raise MissingEvidence("no sample tells who waits in the database")
    return [_queue(sample) for sample in answered if sample["blocked"]]


def _queue(sample: Event) -> Queue:
    # The wait was measured between when the sample was asked for and when it was answered.
    middle = (sample["sent"] + sample["t"]) // 2
    try:
        roots = {each["application"] for each in sample["blockers"] if not each["waits"]}
    except KeyError as exc:
        raise MissingEvidence(f"a sample does not tell {exc} of those who block") from exc
    return Queue(
        since=middle - round(sample["longest_wait_s"] * NS),
        bound=(sample["t"] - sample["sent"] + 1) // 2,
        waiting=sample["blocked"],
        # Who has gone meanwhile has no name any more.
        roots=tuple(sorted(root for root in roots if root is not None)),
    )


def behind(history: History, window: Window, application: str) -> Queue | None:
    """Return the first queue at whose head is a session of `application`; None if there is none.

    Raises MissingEvidence.
    """
    found = (queue for queue in queues(history, window) if application in queue.roots)
    return next(found, None)
