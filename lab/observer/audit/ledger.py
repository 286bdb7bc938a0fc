"""Which writes were lost, doubled, or kept although nobody was told?

Every create carries a `ref` of the client's own. What was acknowledged must be stored once
and be readable, whole. What was not acknowledged may be stored or not: a timeout does not
say which, so one that is stored is ambiguous, which is counted and no loss.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.observer.outcomes import Outcome
from lab.observer.spec import Endpoint


@dataclass(frozen=True, slots=True)
class Write:
    """One create that was sent; `chirp` is the id in the acknowledgement, if it had one."""

    ref: str
    chirp: int | None
    acked: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """The rows with one ref: how many, and the id of the first."""

    rows: int
    chirp: int


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
        return self.stored.rows if self.stored else 0

    def as_line(self) -> dict[str, Any]:
        read = self.read or ReadBack(None)
        return {
            "ref": self.write.ref,
            "chirp": self.write.chirp,
            "acked": self.write.acked,
            "stored": self.rows,
            "readable": read.readable,
            "release": read.release,
            "matches": read.matches,
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
    """Count; `unread` are the acknowledged ones of which the service did not say either way."""
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
        counts["unreadable"] += acked and _is_unreadable(each.read)
        counts["unread"] += acked and rows > 0 and (not each.read or each.read.readable is None)
    return counts


def _is_unreadable(read: ReadBack | None) -> bool:
    return read is not None and (read.readable is False or read.matches is False)
