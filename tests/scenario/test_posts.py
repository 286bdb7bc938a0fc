"""The engine counts the fates of writes as the observer does, from the observer's own lines."""

import itertools
from collections.abc import Iterator

from lab.observer.audit import ledger
from lab.observer.audit.ledger import Finding, ReadBack, Stored, Write
from lab.scenario import posts
from lab.scenario.history import History


def findings() -> Iterator[Finding]:
    """Whatever can become of a write: named rightly or not, stored or not, read or not."""
    stored = (None, Stored((7,)), Stored((7, 8)))
    read = (
        None,
        ReadBack(None),
        ReadBack(readable=False, release="v1"),
        ReadBack(readable=True, release="v1", matches=True),
        ReadBack(readable=True, release="v1", matches=False),
    )
    every = itertools.product((True, False), (7, 9, None), stored, read)
    for number, (acked, chirp, rows, back) in enumerate(every):
        if rows is not None or back is None:
            yield Finding(Write(f"ref-{number}", chirp, acked), rows, back)


def test_lines_of_the_audit_add_up_to_its_sum():
    found = list(findings())
    lines = [{"kind": "audit", "t": 1, **each.as_line()} for each in found]

    counted = posts.fates(History(lines))

    assert counted.items() <= ledger.summary(found).items()
    assert all(counted.values())
