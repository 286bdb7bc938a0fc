"""Audit one run: the ledger against the database, what can be read, and the invariants."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from lab.observer.audit import ledger
from lab.observer.audit.ledger import Finding, ReadBack, Stored

Write = Callable[[Mapping[str, Any]], None]
AskStored = Callable[[Sequence[str]], Awaitable[Mapping[str, Stored]]]
ReadThrough = Callable[[Mapping[str, int]], Awaitable[Mapping[str, ReadBack]]]


async def audit(
    lines: Iterable[bytes], write: Write, *, stored: AskStored, read_through: ReadThrough
) -> None:
    """Write a line for each create in `lines`, and one with the counts."""
    creates = list(ledger.writes(lines))
    rows = await stored([each.ref for each in creates])
    # What is not stored is lost, and there is nothing to read.
    wanted = {
        each.ref: rows[each.ref].ids[0] for each in creates if each.acked and each.ref in rows
    }
    read = await read_through(wanted)
    findings = [Finding(each, rows.get(each.ref), read.get(each.ref)) for each in creates]
    for finding in findings:
        write({"kind": "audit", "t": time.monotonic_ns(), **finding.as_line()})
    write({"kind": "audit_done", "t": time.monotonic_ns(), **ledger.summary(findings)})
