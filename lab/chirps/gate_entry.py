"""From listening to serving: pass the gate, open the pool, watch the schema."""

import asyncio
import time
from collections.abc import Callable

from lab.chirps import gate_keeper, gate_look, gate_migrate, migrate, schema
from lab.chirps.errors import ChirpsError
from lab.chirps.gate import Away, Needs, Seen
from lab.chirps.gate_keeper import Gate
from lab.chirps.gate_look import Look
from lab.chirps.releases import Release
from lab.chirps.settings import Settings
from lab.chirps.state import State


class Entry:
    """`opened` is set when the gate is passed and the pool open; `failure` is why the gate ends
    the process, None while it does not."""

    def __init__(self, state: State, gate: Gate | None) -> None:
        self._state = state
        self._gate = gate
        self._files = frozenset(each.version for each in migrate.collect(state.settings.track))
        self.opened = asyncio.Event()
        self.failure: ChirpsError | None = None

    async def run(self, end: Callable[[], None]) -> None:
        """Never return, unless the gate ends the process: then `failure` is set, and `end` called.

        Without a gate the pool opens at once, and the database may come when it likes.
        """
        try:
            if self._gate is not None:
                await self._pass(self._gate)
        except ChirpsError as failure:
            self.failure = failure
            end()
            return
        await self._state.pool.open()
        self.opened.set()
        if self._gate is None:
            await schema.watch(self._state.schema, self._state.database)
        else:
            look = gate_look.pooled(self._state.database, self._files)
            await gate_keeper.watch(self._gate, self._learning(look))

    async def _pass(self, gate: Gate) -> None:
        asked = self._state.settings
        look = self._learning(gate_look.alone(asked, self._files))
        await gate_keeper.hold(gate, look, lambda: gate_migrate.apply(asked), clock=time.monotonic)

    def _learning(self, look: Look) -> Look:
        """Return a look that also lets the headers of every answer know the version."""

        async def learn() -> Seen | Away:
            seen = await look()
            if isinstance(seen, Seen):
                self._state.schema.learn(seen.version, time.monotonic())
            return seen

        return learn


def make_gate(asked: Settings, release: Release, known_schema: int) -> Gate | None:
    """Return the gate that is to be passed, None for `off`."""
    if asked.gate == "off":
        return None
    needs = Needs(
        release=asked.release,
        number=release.NUMBER,
        required=release.REQUIRED_SCHEMA,
        known=known_schema,
        track=asked.track,
    )
    return Gate(asked.gate, asked.gate_rule, needs, asked.gate_budget_s)
