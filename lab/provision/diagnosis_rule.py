"""What is a rule of the diagnosis: words of a program, and the cause that they tell?"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    WRONG_TOKEN = "wrong token"  # noqa: S105 - a name
    CA_MISMATCH = "CA mismatch"
    PASSWORD_REJECTED = "node password rejected"  # noqa: S105 - a name
    NAME_TAKEN = "node name taken"
    API_BLOCKED = "API cannot be reached"
    OVERLAY_BLOCKED = "pods of different nodes cannot reach each other"
    NO_POD_NETWORK = "no network for pods"
    STALE_SERVERS = "stale list of servers"
    CLOCK_SKEW = "clock skew"
    CERTIFICATE_EXPIRED = "certificate expired"
    READ_ONLY_SYSCTL = "read-only sysctl"
    DISK_PRESSURE = "disk pressure"
    LEARNER_LIMIT = "two servers joined at once"
    OTHER_VALUES = "servers disagree"
    OTHER_DATA = "data of another cluster"
    FOREIGN = "a cluster of somebody else"
    UNKNOWN_KEY = "unknown key of the configuration"
    NOT_READY = "server never ready"


class Proof(StrEnum):
    """How it is known that a program says these words."""

    OWN = "lab's own words"
    HEARD = "heard from the program on a real node"
    READ = "read in the program's source"
    REPORTED = "only reported or documented by others: not verified"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known besides the words.

    `servers` are the addresses of the cluster's servers; `skew_s` is by how many seconds the
    node's clock is ahead of theirs. Empty and None say that nobody has asked.
    """

    servers: tuple[str, ...] = ()
    skew_s: float | None = None


Holds = Callable[[re.Match[str], str, Facts], bool]


def always(_found: re.Match[str], _evidence: str, _facts: Facts) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """Words, the cause they tell, and the next command.

    `what` and `remedy` may hold {node} and the pattern's named groups. `holds` says whether a
    match counts, where words alone do not tell. `distribution` is empty where both say so.
    `lasts` says that waiting mends it never, so that nobody need wait to the end.
    """

    kind: Kind
    pattern: re.Pattern[str]
    what: str
    remedy: str
    source: str
    proof: Proof
    distribution: str = ""
    holds: Holds = always
    lasts: bool = False
