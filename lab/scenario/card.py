"""The 3am card: what did the service tell whoever was called, and what is owed to them?

One half is judged from the history: did a line in the log, a metric, the exit code of a command
say who fails and why? The other half cannot be measured and is said by the scenario: where the
same can be rehearsed at the least cost, what had to change together, what the author owes. Those
are the three ways in which Kim and Spear let an organisation win: slowify, simplify, amplify
(https://itrevolution.com/articles/the-three-mechanisms-to-wire-the-winning-organization/).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

LOG, NEXT, METRIC, EXIT_CODE = "log line", "next step", "metric", "exit code"
"""Ways of telling."""

NEARLY_ALL = 0.95
"""A way has told when it did so of this share of all failures."""

NOTHING_FAILED = "nothing failed, so there was nothing to tell"


class Level(StrEnum):
    """Where a failure can be seen, the cheapest first."""

    STATIC = "a look at the files"
    UNIT = "a unit test"
    DATABASE = "a test with a real database"
    TWIN = "processes on one machine"
    CLUSTER = "a cluster of one node"
    NODES = "six nodes"


@dataclass(frozen=True, slots=True)
class Card:
    """What a scenario says of itself.

    `rehearsal` is what to do at `level`, the lowest at which the failure can be seen. `together`
    are the things that had to change at the same time. `no_way_back` are steps of the careful
    variant that cannot be taken back alone, in the careless one as well; `careless_no_way_back`
    are those that only the careless one makes so. `owed` is what the author owes the operator,
    and `decides` who may decide while it happens.
    """

    level: Level
    rehearsal: str
    together: tuple[str, ...]
    owed: tuple[str, ...]
    decides: str = ""
    no_way_back: tuple[str, ...] = ()
    careless_no_way_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """Did one way of telling say who fails and why? `ok` None: there was nothing to tell."""

    way: str
    ok: bool | None
    says: str

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        return cls(**told)


@dataclass(frozen=True, slots=True)
class Filled:
    """A card that was filled in for one run. `card` is None where the scenario has none.

    `steps` are the changes of the variant, and `returns` how many of them come before the first
    that cannot be taken back alone: as many as there are where each can. `heard` says whether
    pods were listened to, and what of it is missing; None where that was stored by nobody.
    """

    told: tuple[Told, ...]
    card: Card | None
    steps: int
    returns: int
    heard: str | None = None

    @classmethod
    def from_json(cls, filled: Mapping[str, Any]) -> Self:
        return cls(
            told=tuple(Told.from_json(each) for each in filled["told"]),
            card=_card(filled["card"]),
            steps=filled["steps"],
            returns=filled["returns"],
            heard=filled.get("heard"),
        )


def _card(told: Mapping[str, Any] | None) -> Card | None:
    if told is None:
        return None
    return Card(
        level=Level(told["level"]),
        rehearsal=told["rehearsal"],
        together=tuple(told["together"]),
        owed=tuple(told["owed"]),
        decides=told["decides"],
        no_way_back=tuple(told["no_way_back"]),
        careless_no_way_back=tuple(told.get("careless_no_way_back", ())),
    )
