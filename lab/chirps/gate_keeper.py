"""Stand at the gate until the process may start, and watch the schema from then on.

One look a second, until `lab.chirps.gate` says start, or exit, or the budget is used up. Waiting
is better than to exit and be started again: the platform's pauses between two starts grow, and
would go on after the cause is gone. The budget runs on the monotonic clock, so a wall clock
that is set meanwhile changes nothing.

Once started a process stays, whatever becomes of the schema. What /readyz makes of it depends
on the rule. Under `required` it is reported only: all pods of this release have the same schema,
and a sibling could do no better. Under the two naive rules it is not ready, as a check that asks
"is this what I was built with?" does it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lab.chirps.errors import EXIT_CANNOT_TELL, EXIT_CONFIGURATION, CannotTell, ChirpsError
from lab.chirps.gate import Act, Away, Decision, Fit, Needs, Seen, decide, judge
from lab.chirps.gate_look import Look
from lab.chirps.readiness import Check, Kind, Unwell

logger = logging.getLogger(__name__)

EVERY_S = 1.0
LEVELS = {Act.START: logging.INFO, Act.MIGRATE: logging.INFO, Act.EXIT: logging.ERROR}

Migrate = Callable[[], Awaitable[None]]
Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


class DoesNotFit(ChirpsError):
    """The database has a schema this release cannot work with; starting again will not help."""

    exit_code = EXIT_CONFIGURATION


@dataclass(slots=True)
class Gate:
    """`decision` is the last one before the start; `fit` and `reason` go on after it."""

    gate: str
    rule: str
    needs: Needs
    budget_s: float
    decision: Decision | None = None
    fit: Fit = Fit.UNKNOWN
    reason: str = "the database was not looked at yet"
    passed: bool = False
    is_told: bool = False

    def consider(self, database: Seen | Away) -> Decision:
        """Decide anew, and log it when it is another decision than the last."""
        decision = decide(self.gate, self.rule, database, self.needs)
        if decision != self.decision:
            level = LEVELS.get(decision.act, logging.WARNING)
            self.log(level, decision.act, decision.fit, decision.reason)
        self.decision, self.fit, self.reason = decision, decision.fit, decision.reason
        self.passed = decision.starts
        return decision

    def review(self, database: Seen | Away) -> None:
        """Take in what the schema became after the start; a database that is away says nothing."""
        if isinstance(database, Away):
            return
        fit, reason = judge(self.rule, database, self.needs)
        if (fit, reason) != (self.fit, self.reason):
            self.log(logging.INFO if fit is Fit.FITS else logging.WARNING, "run", fit, reason)
        self.fit, self.reason = fit, reason

    @property
    def exit_code(self) -> int:
        return EXIT_CANNOT_TELL if self.fit is Fit.UNKNOWN else EXIT_CONFIGURATION

    def log(self, level: int, act: str, fit: Fit, reason: str) -> None:
        facts = {"act": str(act), "fit": str(fit), "reason": reason}
        logger.log(level, "gate", extra={**facts, "gate": self.gate, "rule": self.rule})

    async def probe(self) -> str:
        """Return what was seen; raise Unwell while the gate is shut or the schema does not fit.

        A check counts as reached by its first good result, and to have passed is one: under
        `warn` also with a schema that does not fit.
        """
        is_first, self.is_told = not self.is_told, self.is_told or self.passed
        if not self.passed or (self.fit in (Fit.BEHIND, Fit.TOO_NEW) and not is_first):
            raise Unwell(self.reason)
        return self.reason


def gate_check(gate: Gate) -> Check:
    """Hold the start until the gate is passed, whatever /readyz is to mean."""
    is_naive = gate.rule != "required" and gate.gate != "warn"
    kind = Kind.PRIVATE if is_naive else Kind.SHARED
    return Check("gate", kind, gate.probe, holds_start=True)


async def hold(
    gate: Gate, look: Look, migrate: Migrate, *, clock: Clock, sleep: Sleep = asyncio.sleep
) -> None:
    """Return when the process may start. `clock` must be monotonic.

    Raises DoesNotFit or CannotTell when it is to exit, also with the budget used up, and what
    `migrate` raises; a connection lost by that is taken for a database that is away.
    """
    deadline = clock() + gate.budget_s
    in_vain: Decision | None = None
    while not (decision := gate.consider(await look())).starts:
        if decision.act is Act.EXIT:
            raise failure_of(decision.reason, decision.exit_code)
        # The same files pending again: something takes them back, or they count for goose as
        # applied. That is not tried with every look.
        is_new = decision.act is Act.MIGRATE and decision != in_vain
        if is_new and await has_migrated(gate, migrate):
            in_vain, deadline = decision, clock() + gate.budget_s
            continue
        left_s = deadline - clock()
        if left_s <= 0:
            raise failure_of(f"waited {gate.budget_s:g} s in vain: {gate.reason}", gate.exit_code)
        await sleep(min(EVERY_S, left_s))


async def has_migrated(gate: Gate, migrate: Migrate) -> bool:
    """Return False when the connection was lost: then nobody here knows what was done."""
    try:
        await migrate()
    except CannotTell as error:
        gate.consider(Away(str(error)))
        return False
    return True


def failure_of(reason: str, exit_code: int) -> ChirpsError:
    return CannotTell(reason) if exit_code == EXIT_CANNOT_TELL else DoesNotFit(reason)


async def watch(gate: Gate, look: Look, *, sleep: Sleep = asyncio.sleep) -> None:
    """Look again and again after the start; never returns."""
    while True:
        await sleep(EVERY_S)
        gate.review(await look())
