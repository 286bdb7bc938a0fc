"""What is a scenario? A value: two ways to do the same thing, and what each is predicted to do.

What happens when (`timeline`) is data, apart from how it is done (faults, stage) and
from how it is judged (`checks`, functions of the recorded history).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lab.scenario.card import Card
from lab.scenario.forecast import Foresee
from lab.scenario.history import History
from lab.scenario.load import ALL_ENDPOINTS, CHIRP_ENDPOINTS, Invariant, Load
from lab.scenario.stage import Fault
from lab.scenario.verdict import CheckResult, Outcome

__all__ = [
    "ALL_ENDPOINTS",
    "CHIRP_ENDPOINTS",
    "Baseline",
    "Check",
    "Condition",
    "Invariant",
    "Load",
    "Moment",
    "Role",
    "Scenario",
    "Start",
    "Step",
    "Variant",
]


class Role(StrEnum):
    """Whether a variant sets out to fail in the predicted way, or to hold its bound."""

    CARELESS = "careless"
    CAREFUL = "careful"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a step waits for: `sentence` completes "waiting until ...".

    `holds` gets the history so far and the observer's clock in ns. `needs` names the
    phases and steps it refers to.
    """

    sentence: str
    holds: Callable[[History, int], bool]
    within_s: float
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time that was observed: `at` returns ns and raises MissingEvidence.

    `bound` returns how uncertain it is, in ns.
    """

    sentence: str
    at: Callable[[History], int]
    bound: Callable[[History], int]


@dataclass(frozen=True, slots=True)
class Check:
    """A prediction: `judge` is a pure function of the closed history."""

    name: str
    judge: Callable[[History], CheckResult]


Baseline = Callable[[History], tuple[str, ...]]
"""What must hold before anything is done; returns what does not, as sentences."""


@dataclass(frozen=True, slots=True)
class Start:
    """The state that a variant starts from, all pods Ready, with the seed's data.

    `schema` above the seed's 5 is reached by migrating `track`. `variables` are policies of
    the service (CHIRPS_GATE, ...), `profile` fields of manifests/chirps/profiles that are set
    otherwise, as `replicas` 0 for an installation that nobody runs yet.
    """

    release: str = "v1"
    track: str = ""
    schema: int = 5
    variables: Mapping[str, str] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens: once `when` holds, `fault` is injected.

    Its effect must be seen within `observed_within_s`, or the run proves nothing. A step
    without a fault only waits.
    """

    name: str
    when: Condition
    fault: Fault | None = None
    observed_within_s: float = 60


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to do it, and what is predicted of it.

    `checks` decide the outcome, by `role`. `because` are checks that must hold as well
    when a proof is predicted to go red: red for another reason is no proof. `cause_gone`
    is when the cause of the failures was removed. `start` is the state it starts from. `foresee`
    draws how many requests will fail in which second, before anything is done.
    """

    name: str
    role: Role
    timeline: tuple[Step, ...]
    checks: tuple[Check, ...]
    invariants: tuple[Invariant, ...] = ()
    because: tuple[Check, ...] = ()
    cause_gone: Moment | None = None
    predicted: Outcome | None = None
    start: Start = Start()
    foresee: Foresee | None = None

    @property
    def expected(self) -> Outcome:
        """The predicted outcome: of a careless variant reproduced, of a careful one prevented."""
        if self.predicted:
            return self.predicted
        return Outcome.REPRODUCED if self.role is Role.CARELESS else Outcome.PREVENTED


@dataclass(frozen=True, slots=True)
class Scenario:
    """A question, the careless and the careful answer, and proofs that the checks can fail.

    `proofs`: the control (the careless timeline without the fault must be not
    reproduced) and mutations (the careful one without one protection must go red).
    `needs` are names of `lab.scenario.needs.Need`: where one is lacking it is refused. `card`
    is what the scenario owes whoever is called at 3am.
    """

    name: str
    title: str
    question: str
    careless: Variant
    careful: Variant
    proofs: tuple[Variant, ...]
    load: Load
    baseline: Baseline
    baseline_s: float = 10
    settle: Condition | None = None
    needs: tuple[str, ...] = ()
    card: Card | None = None

    @property
    def variants(self) -> tuple[Variant, ...]:
        return (self.careless, self.careful, *self.proofs)
