"""Where is a run to die, so that what it leaves behind can be seen?

Written `VERSION:PLACE:WHEN`, as `6:2:after`: PLACE is a statement, counted from 1, or `row`
(that of the version table) or `commit`; WHEN is `before` or `after`.
"""

import os
import re
import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from typing_extensions import override

from lab.goose.errors import BadOption

WRITTEN = re.compile(r"([1-9][0-9]{0,18}):([1-9][0-9]{0,8}|row|commit):(before|after)")


class Step(StrEnum):
    """What a run does to a file beside its statements."""

    ROW = "row"
    COMMIT = "commit"


class When(StrEnum):
    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """`place` is the number of a statement, or a step; whichever direction comes first."""

    version: int
    place: int | Step
    when: When

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises BadOption for what is not written as above."""
        found = WRITTEN.fullmatch(text)
        if found is None:
            raise BadOption(
                f"crash point {text!r} is not VERSION:PLACE:WHEN, as in 6:2:after "
                "(PLACE: a statement from 1, row or commit; WHEN: before or after)"
            )
        version, place, when = found.groups()
        where = int(place) if place.isdecimal() else Step(place)
        return cls(int(version), where, When(when))

    @override
    def __str__(self) -> str:
        return f"{self.version}:{self.place}:{self.when}"

    def require_within(self, file: str, statements: int, *, in_transaction: bool) -> None:
        """Raises BadOption when a file of the version is never there: it would run unharmed."""
        if isinstance(self.place, int) and self.place > statements:
            raise BadOption(f"crash point {self}: {file} has {statements} statements")
        if self.place is Step.COMMIT and not in_transaction:
            raise BadOption(f"crash point {self}: {file} has no transaction to commit")


def kill_self() -> None:
    """Die as if the node did: nothing is cleaned up, no connection is closed in order.

    The first process of a container, as a migration's Job has it, outlives a signal that it sends
    to itself (https://man7.org/linux/man-pages/man7/pid_namespaces.7.html); it ends as one that
    was killed is reported: 128 + 9.
    """
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(128 + signal.SIGKILL)
