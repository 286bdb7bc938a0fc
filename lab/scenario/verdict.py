"""What is said about a run: the outcome, why, and the figures behind it.

Everything here can be written as JSON and read back; a verdict is computed from the
history alone (lab.scenario.judge), so it can be thrown away and computed again.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from lab.scenario.card import Filled
from lab.scenario.ledger import Ledger

Value = float | int | str | None


class Outcome(StrEnum):
    """What a variant came to.

    `reproduced`: the careless way failed, in the predicted way. `prevented`: the careful
    way held its bound under the same load. Red for another reason is `not reproduced`.
    `invalid`: the measurement cannot be trusted, so nothing is said about the service.
    """

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    PREVENTED = "prevented"
    NOT_PREVENTED = "not prevented"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One prediction held against what was measured.

    `ok` is None where the history does not tell: that makes the run invalid, for a
    check that cannot see must not pass. `formula` says how `predicted` was computed,
    `tolerance` how far `measured` may be from it.
    """

    name: str
    ok: bool | None
    claim: str
    predicted: Value
    measured: Value
    formula: str = ""
    tolerance: str = ""
    detail: str = ""

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        return cls(**told)


@dataclass(frozen=True, slots=True)
class SignatureRow:
    """How often requests failed in one way. `release` and `sqlstate` are "" where unknown."""

    release: str
    sqlstate: str
    endpoint: str
    outcome: str
    count: int

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        return cls(**told)


@dataclass(frozen=True, slots=True)
class Figures:
    """Numbers of the first page.

    `requests` and `failures` count the verdict window. The blast radius is a share from
    0 to 1: of requests and sessions between first and last failure, and of endpoints that
    failed at all. `silent_s`: first user error until the first signal an operator would
    receive from then on, None where there was none of the one or the other; `signal` says
    which it was, or names an earlier one as such.
    `recovery_s`: first to last user error, None where it did not end. `overhang_s`: cause
    gone until the last user error. The writes are None where the audit is missing.
    `wall_s`: how long the variant took. `resolution_s`: between two requests.
    """

    requests: int
    failures: int
    blast_requests: float
    blast_sessions: float
    blast_endpoints: float
    silent_s: float | None
    recovery_s: float | None
    overhang_s: float | None
    lost_writes: int | None
    ambiguous_writes: int | None
    duplicated_writes: int | None
    wall_s: float
    resolution_s: float
    signal: str | None = None

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        return cls(**told)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of one variant.

    `reasons` are sentences: why invalid, or which predictions failed. `as_predicted`
    also holds for a proof: a control is predicted to be `not reproduced`. `ledger` and `card`
    are None where they were stored before there were any. They follow from the same history and
    say nothing about the service's being as predicted, so two verdicts do not differ by them.
    """

    scenario: str
    variant: str
    outcome: Outcome
    reasons: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    signature: tuple[SignatureRow, ...]
    figures: Figures
    as_predicted: bool
    ledger: Ledger | None = field(default=None, compare=False)
    card: Filled | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises ValueError, TypeError or LookupError otherwise."""
        return cls(
            scenario=told["scenario"],
            variant=told["variant"],
            outcome=Outcome(told["outcome"]),
            reasons=tuple(told["reasons"]),
            checks=tuple(CheckResult.from_json(each) for each in told["checks"]),
            signature=tuple(SignatureRow.from_json(each) for each in told["signature"]),
            figures=Figures.from_json(told["figures"]),
            as_predicted=told["as_predicted"],
            ledger=Ledger.from_json(told["ledger"]) if told.get("ledger") else None,
            card=Filled.from_json(told["card"]) if told.get("card") else None,
        )
