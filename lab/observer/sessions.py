"""A user's session: a page, calls of the API it was made for, a post, and reading it back.

Every step has a connection of its own, so the page and the API may come from different
releases, and a post may be read back through another release than the one that took it:
that is what users meet during a rollout. A session ends with its first step that fails.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.observer import operations
from lab.observer.operations import Operation
from lab.observer.outcomes import Outcome
from lab.observer.schedule import Planned
from lab.observer.spec import Endpoint, LoadSpec
from lab.observer.transport import Exchange, Transport

READ_BACK = "read_back"
MISMATCH = "mismatch"
"""Outcome of reading back something else than was posted; the answer itself was fine."""


async def converse(spec: LoadSpec, transport: Transport, planned: Planned) -> dict[str, Any]:
    """Return what the line of a session says: its steps, and where it failed."""
    conversation = Conversation()
    ref = operations.reference(spec.run, "session chirp", planned.seq)
    for number, (name, operation) in enumerate(_opening(spec, planned, ref)):
        request_id = f"{spec.run}-s{planned.seq}-{number}"
        exchange = await transport.fresh(operation, request_id)
        if not conversation.add(name, exchange):
            return conversation.line(ref)
    await _read_back(spec, transport, planned, conversation, ref)
    return conversation.line(ref)


@dataclass(slots=True)
class Conversation:
    """The steps so far."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    failed_step: str | None = None
    chirp: int | None = None
    posted: bool = False

    def add(self, name: str, exchange: Exchange, *, matches: bool = True) -> bool:
        """Note a step; return whether the session goes on."""
        outcome: str = exchange.outcome
        if outcome == Outcome.OK and not matches:
            outcome = MISMATCH
        seen = exchange.as_line()
        told = {key: seen[key] for key in ("status", "release", "pod", "sqlstate")}
        self.steps.append({"endpoint": name, "outcome": outcome, **told})
        if name == Endpoint.CREATE_CHIRP:
            self.posted, self.chirp = True, exchange.field("id")
        if outcome != Outcome.OK:
            self.failed_step = name
        return self.failed_step is None

    def line(self, ref: str) -> dict[str, Any]:
        return {
            "ok": self.failed_step is None,
            "steps": self.steps,
            "failed_step": self.failed_step,
            "pair": self._pair(),
            "ref": ref if self.posted else None,
            "chirp": self.chirp,
        }

    def _pair(self) -> list[str] | None:
        """Return the release of the page and the one that answered the first call."""
        if len(self.steps) < 2:
            return None
        page, call = self.steps[0]["release"], self.steps[1]["release"]
        return [page, call] if page and call else None


def _opening(spec: LoadSpec, planned: Planned, ref: str) -> Iterator[tuple[str, Operation]]:
    author = operations.author(spec, planned.pick)
    for step in (
        operations.page(),
        operations.create_session(1 + planned.pick % spec.users),
        operations.list_chirps(author),
        operations.get_chirp(1 + planned.pick % spec.chirps),
        operations.create_chirp(author, ref),
    ):
        yield step.endpoint, step


async def _read_back(
    spec: LoadSpec,
    transport: Transport,
    planned: Planned,
    conversation: Conversation,
    ref: str,
) -> None:
    if conversation.chirp is None:
        conversation.failed_step = READ_BACK
        return
    operation = operations.get_chirp(conversation.chirp)
    exchange = await transport.fresh(operation, f"{spec.run}-s{planned.seq}-back")
    matches = is_same_chirp(exchange, ref)
    conversation.add(READ_BACK, exchange, matches=matches)


def is_same_chirp(exchange: Exchange, ref: str) -> bool:
    """Whether the answer is the chirp that was created with that ref, text and all."""
    found = (exchange.field("client_ref"), exchange.field("body"))
    return found == (ref, operations.chirp_body(ref))
