"""Which writes were lost, doubled, or kept although nobody was told?

Every create carries a `ref` of the client's own. What was acknowledged must be stored once,
under the id that the acknowledgement gave, and be readable, whole. What was not acknowledged
may be stored or not: a timeout does not say which, so one that is stored is ambiguous, which
is counted and no loss.

A create is a line of a load that has a `ref`: a request to `create_chirp`, also one that the
client had no room to send, and a session that came to its post. It is acknowledged if that
request, or that step of the session, has the outcome `ok`, whatever became of the session
afterwards.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.observer.outcomes import Outcome
from lab.observer.spec import Endpoint


@dataclass(frozen=True, slots=True)
class Write:
    """One create; `chirp` is the id in the acknowledgement, if it had one."""

    ref: str
    chirp: int | None
    acked: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """The ids of the rows with one ref, of which there is at least one, in ascending order."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What reading it gave; `readable` is None when the service did not say either way."""

    readable: bool | None
    release: str | None = None
    matches: bool | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """All that is known of one write; `read` is None where there was nothing to read."""

    write: Write
    stored: Stored | None
    read: ReadBack | None

    @property
    def rows(self) -> int:
        return len(self.stored.ids) if self.stored else 0

    @property
    def matches(self) -> bool | None:
        """Whether the acknowledgement names the row and what was read is what was written.

        None if nothing was read that could tell. An id that names another row, or none, is
        wrong whatever was read: with it, the user would never see the chirp again.
        """
        if self.write.acked and self.stored and self.write.chirp not in self.stored.ids:
            return False
        return self.read.matches if self.read else None

    @property
    def is_unreadable(self) -> bool:
        refused = self.read is not None and self.read.readable is False
        return refused or self.matches is False

    def as_line(self) -> dict[str, Any]:
        read = self.read or ReadBack(None)
        return {
            "ref": self.write.ref,
            "chirp": self.write.chirp,
            "acked": self.write.acked,
            "stored": self.rows,
            "readable": read.readable,
            "release": read.release,
            "matches": self.matches,
        }


def writes(lines: Iterable[bytes]) -> Iterator[Write]:
    """Yield the creates among the lines of a load, of requests and of sessions."""
    for line in lines:
        # Most lines are about something else, and reading JSON takes longer than looking.
        if b'"ref":"' not in line:
            continue
        found = json.loads(line)
        if found["kind"] == "request":
            yield Write(found["ref"], found["chirp"], found["outcome"] == Outcome.OK)
        elif found["kind"] == "session":
            yield Write(found["ref"], found["chirp"], _posted(found["steps"]))


def _posted(steps: Sequence[Mapping[str, Any]]) -> bool:
    step = (Endpoint.CREATE_CHIRP, Outcome.OK)
    return any((each["endpoint"], each["outcome"]) == step for each in steps)


def summary(findings: Iterable[Finding]) -> dict[str, int]:
    """Count writes, each under all that is true of it.

    `unreadable` are the acknowledged ones that cannot be read, read differently, or were
    acknowledged with the id of another row. `unread` are those of which the service did not
    say either way.
    """
    counts = dict.fromkeys(
        ("acked", "stored", "lost", "ambiguous", "duplicated", "unreadable", "unread"), 0
    )
    for each in findings:
        acked, rows = each.write.acked, each.rows
        counts["acked"] += acked
        counts["stored"] += rows > 0
        counts["lost"] += acked and rows == 0
        counts["ambiguous"] += not acked and rows > 0
        counts["duplicated"] += rows > 1
        counts["unreadable"] += acked and each.is_unreadable
        counts["unread"] += acked and rows > 0 and (not each.read or each.read.readable is None)
    return counts
