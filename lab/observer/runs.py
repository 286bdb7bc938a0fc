"""Start and end the workers of one run at a time, and notice when one dies.

A run of which any worker died is failed, whatever the others still saw: its history has a
hole, so nothing may be concluded from it. The others are then ended in good order.

A run that nobody asks for any more ends itself: whoever drove it may have been killed. The
load's stream then has a line `lost`, so such a run is never judged to be a good one.
"""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.observer import child, rundir
from lab.observer.child import Child
from lab.observer.spec import LoadSpec, is_name
from lab.observer.watchdog import Watchdog

AUDIT = "audit"

Start = Callable[[str, Path], Awaitable[Child]]


class State(StrEnum):
    IDLE = "idle"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Conflict(Exception):
    """What is asked does not fit the state of the run."""


class Runs:
    """The runs below `directory`, of which at most one has workers.

    `error` tells why the current run failed, or that it ended itself.
    """

    def __init__(
        self,
        directory: Path,
        *,
        instance: str,
        watchdog: Watchdog,
        start: Start = child.start,
    ) -> None:
        self._directory = directory
        self._instance = instance
        self._watchdog = watchdog
        self._start_child = start
        self._children: dict[str, Child] = {}
        self._watching: set[asyncio.Task[None]] = set()
        self.run: str | None = None
        self.state = State.IDLE
        self.error: str | None = None

    def directory(self, run: str) -> Path:
        """Return the directory of a run that there is; raises KeyError."""
        path = self._directory / run
        # A name from outside must not lead elsewhere.
        if not is_name(run) or not (path / rundir.SPEC).is_file():
            raise KeyError(run)
        return path

    @property
    def processes(self) -> dict[str, int]:
        return {c.name: c.process.pid for c in self._children.values() if c.is_running}

    async def start(self, spec: LoadSpec) -> None:
        if self._children:
            raise Conflict(f"run {self.run} is {self.state}")
        try:
            rundir.create(self._directory / spec.run, spec, instance=self._instance)
        except FileExistsError:
            raise Conflict(f"run {spec.run} exists already") from None
        self.run, self.state, self.error = spec.run, State.RUNNING, None
        wanted = {"load": True, "watch": spec.watch, "database": spec.database}
        await self._start([name for name, is_wanted in wanted.items() if is_wanted])
        self._watchdog.start(self._end_unread)

    def heard_of(self, run: str) -> None:
        """Note that somebody asked for that run, whatever it was about."""
        if run == self.run:
            self._watchdog.feed()

    def stop(self, run: str) -> None:
        """End the load and the watchers; an audit that goes on is waited for."""
        self._require(run, State.RUNNING, State.STOPPING, State.STOPPED, State.FAILED)
        if self.state is State.RUNNING:
            self._end()

    async def audit(self, run: str, invariants: Sequence[Any]) -> None:
        self._require(run, State.RUNNING, State.STOPPED)
        directory = self.directory(run)
        if AUDIT in self._children or (directory / rundir.INVARIANTS).exists():
            raise Conflict(f"run {run} has been audited")
        (directory / rundir.INVARIANTS).write_text(json.dumps(invariants))
        await self._start([AUDIT])

    async def delete(self, run: str) -> None:
        """Remove all of a run; workers that still go on are killed."""
        directory = self.directory(run)
        if run == self.run:
            await self.abandon()
            self.run, self.state, self.error = None, State.IDLE, None
        shutil.rmtree(directory)

    async def abandon(self) -> None:
        """Kill every worker, and return when they are gone."""
        self._watchdog.stop()
        for each in self._children.values():
            each.kill()
        while self._watching:
            await asyncio.wait(self._watching)

    def _end_unread(self) -> None:
        if self.state is State.RUNNING:
            self.error = f"nobody has read for {self._watchdog.seconds:g} s"
            self._end(self.error)

    def _end(self, reason: str = "") -> None:
        self.state = State.STOPPING
        self._ask_to_end(reason)
        self._settle()

    def _require(self, run: str, *states: State) -> None:
        self.directory(run)
        if run != self.run or self.state not in states:
            state = self.state if run == self.run else "not the current one"
            raise Conflict(f"run {run} is {state}")

    async def _start(self, names: Sequence[str]) -> None:
        assert self.run is not None
        for name in names:
            try:
                started = await self._start_child(name, self._directory / self.run)
            except OSError as exc:
                self._fail(f"{name} cannot be started: {exc}")
                return
            self._children[name] = started
            task = asyncio.create_task(self._watch(started))
            self._watching.add(task)
            task.add_done_callback(self._watching.discard)
            if self.state is State.FAILED:
                # One of those before it died while it was started.
                started.ask_to_end()

    async def _watch(self, started: Child) -> None:
        error = await started.wait()
        del self._children[started.name]
        if error is None and self.state is State.RUNNING and started.name != AUDIT:
            error = f"{started.name} ended before it was asked to"
        if error is not None:
            self._fail(error)
        self._settle()

    def _fail(self, error: str) -> None:
        # The first is the cause.
        self.error = self.error or error
        self.state = State.FAILED
        self._ask_to_end()

    def _ask_to_end(self, reason: str = "") -> None:
        for each in self._children.values():
            if each.name != AUDIT:
                each.ask_to_end(reason)

    def _settle(self) -> None:
        if self.state is State.STOPPING and not self._children:
            self.state = State.STOPPED
