"""Should this pod get traffic? What /readyz and /startupz answer.

The question is whether a request would fare better with a sibling. So a check is private
(only this pod suffers: not ready) or shared (every sibling suffers the same: ready, and
reported, because taking all pods out of the Service would only turn answers that name the
cause into refused connections). A dependency that this process has never reached is private
until it was reached once: a pod with a wrong password must not replace one that works.

    latch      that rule, and the default
    deep       a shared check counts as private always: one database that is away takes every
               pod out, and with it the pages that need none
    shallow    nothing counts: a pod that cannot work at all replaces one that does

The two others are mistakes to be shown.

Checks run in the background; a probe reads what they found and how long ago, so it costs
nothing and cannot time out. A result that nobody renews says nothing about the dependency any
more, but that this process no longer looks, which is its own trouble: a private check that is
stale counts as failed. A shared one is reported as degraded and leaves the pod in, or a slow
minute of all pods would take all of them out. Liveness does not ask: not to look is no reason
to die. Only the probe of a check can be slow, and that is no hung watcher: it is left behind
after its bound, and says so in a fresh result (`lab.chirps.bounded`). A process that was stopped
and goes on is not ready until the next round.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import psycopg

from lab.chirps import bounded
from lab.chirps.failures import explain

logger = logging.getLogger(__name__)

EVERY_S = 2.0
# A pod that starts is waited for: look more often until all was reached once.
FIRST_EVERY_S = 0.1
CHECK_BOUND_S = 1.0
# So many rounds without a result, and it is stale.
ROUNDS = 3


class Kind(StrEnum):
    PRIVATE = "private"
    SHARED = "shared"


class Policy(StrEnum):
    LATCH = "latch"
    DEEP = "deep"
    SHALLOW = "shallow"


class Unwell(Exception):
    """What a probe raises that knows by itself what is wrong; the text is for the operator."""


@dataclass(slots=True)
class Check:
    """One dependency: `probe` raises when it does not work, and may return what is to be told.

    With `latch`, a shared check counts as private until it was good once. `holds_start` says
    that the process has not started before it was good once, whatever the policy; None leaves
    it to the policy. `reached` may be given as True: then nothing waits for it.
    """

    name: str
    declared: Kind
    probe: Callable[[], Awaitable[str | None]]
    timeout_s: float = CHECK_BOUND_S
    latch: bool = True
    holds_start: bool | None = None
    reached: bool = False
    good: bool = False
    seen: float | None = None
    detail: str = "not looked at yet"
    hanging: bounded.Task | None = None

    @property
    def kind(self) -> Kind:
        return self.declared if self.reached or not self.latch else Kind.PRIVATE

    def learn(self, failure: str | None, now: float, told: str = "ok") -> None:
        """Take in a result: None is good, else what was wrong."""
        was_good, self.good = self.good, failure is None
        self.reached = self.reached or self.good
        self.seen, self.detail = now, failure or told
        if was_good != self.good:
            level = logging.INFO if self.good else logging.WARNING
            logger.log(level, "check", extra={"check": self.name, "detail": self.detail})

    def is_stale(self, now: float) -> bool:
        return self.seen is not None and now - self.seen > ROUNDS * (EVERY_S + self.timeout_s)

    def is_good(self, now: float) -> bool:
        return self.good and not self.is_stale(now)

    def answer(self, now: float) -> dict[str, Any]:
        return {
            "name": self.name,
            "class": str(self.kind),
            "ok": self.is_good(now),
            "detail": self.detail,
            "reached": self.reached,
            "stale": self.is_stale(now),
            "age_s": None if self.seen is None else round(now - self.seen, 3),
        }


class Readiness:
    """The registry of checks: what they found, put together by `policy`."""

    def __init__(self, checks: Iterable[Check] = (), policy: Policy = Policy.LATCH) -> None:
        self.policy = policy
        self.checks: list[Check] = []
        for check in checks:
            self.add(check)

    def add(self, check: Check) -> None:
        """Register one more; only those that are there when `watch` begins are looked at."""
        if any(check.name == other.name for other in self.checks):
            raise ValueError(f"there is a check {check.name!r} already")
        self.checks.append(check)

    def counts(self, check: Check) -> bool:
        """Say whether this check may take the pod out of traffic."""
        if self.policy is Policy.LATCH:
            return check.kind is Kind.PRIVATE
        return self.policy is Policy.DEEP

    def holds_start(self, check: Check) -> bool:
        if check.holds_start is not None:
            return check.holds_start
        return check.declared is Kind.PRIVATE or (
            self.policy is not Policy.SHALLOW and (check.latch or self.policy is Policy.DEEP)
        )

    @property
    def waiting_for(self) -> list[Check]:
        return [each for each in self.checks if self.holds_start(each) and not each.reached]

    @property
    def is_started(self) -> bool:
        return not self.waiting_for

    def is_ready(self, now: float) -> bool:
        return all(check.is_good(now) for check in self.checks if self.counts(check))

    def answer(self, *, draining: bool, now: float) -> dict[str, Any]:
        reported = [check for check in self.checks if not self.counts(check)]
        return {
            "ready": self.is_ready(now) and not draining,
            "draining": draining,
            "policy": str(self.policy),
            "degraded": [check.name for check in reported if not check.is_good(now)],
            "checks": [check.answer(now) for check in self.checks],
        }

    def start_answer(self, now: float) -> dict[str, Any]:
        """Name what the start waits for, and under each name what is known of it."""
        waiting = self.waiting_for
        return {
            "started": not waiting,
            "waiting_for": [check.name for check in waiting],
            **{check.name: check.answer(now) for check in waiting},
        }


async def watch(readiness: Readiness) -> None:
    """Run every check again and again, each at its own pace; never returns."""
    async with asyncio.TaskGroup() as group:
        for check in readiness.checks:
            group.create_task(watch_one(check))


async def watch_one(check: Check) -> None:
    while True:
        await run(check)
        await asyncio.sleep(EVERY_S if check.reached else FIRST_EVERY_S)


async def run(check: Check) -> None:
    """Run a check once, within its bound; a probe that does not end then has no second one."""
    if check.hanging is not None and not check.hanging.done():
        bounded.tell(check.hanging)
        check.learn("still no answer to what was asked before", time.monotonic())
        return
    probe = asyncio.create_task(ask(check))
    if await bounded.ended(probe, check.timeout_s):
        learn_from(check, probe)
        return
    check.hanging = probe
    check.learn(f"no answer within {check.timeout_s:g} s", time.monotonic())


async def ask(check: Check) -> str | None:
    return await check.probe()


def learn_from(check: Check, probe: bounded.Task) -> None:
    """Take in how a probe ended. A check that has a bug is not good either."""
    now = time.monotonic()
    if probe.cancelled():
        check.learn("it was cancelled", now)
    elif (error := probe.exception()) is not None:
        check.learn(text_of(error), now)
    else:
        check.learn(None, now, told=probe.result() or "ok")


def text_of(error: BaseException) -> str:
    if isinstance(error, psycopg.Error):
        failure = explain(error)
        return (
            failure.error if failure.sqlstate is None else f"{failure.error} ({failure.sqlstate})"
        )
    if isinstance(error, Unwell | OSError):
        return str(error)
    return f"a bug in the check: {type(error).__name__}: {error}"
