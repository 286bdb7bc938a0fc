"""Play one variant of a scenario on a stage and record everything that is seen.

Phases, in this order:

1. setup     the stage brings the start state about; load and watchers on; history opened
2. baseline  traffic runs for a while; the scenario's predicate must hold, or the run ends
3. run       each step waits for its condition, then injects its fault. The effect of each
             fault must be observed within its bound, or the run ends
4. recover   every fault that is not the subject itself, newest first, each within its own
             time. When the run broke off, also by Ctrl-C: every fault without exception.
             What it needs was in the undo log before the fault was injected
5. settle    wait, with a bound, until it is quiet
6. verify    load off, streams closed; the writes are audited, the invariants asked
7. teardown  the stage is closed, whatever happened

The runner passes no verdict. When a run breaks off because it could prove nothing any
more (unobserved fault, dirty baseline, lost observer), the history says so and ends
without its later phases, and `lab.scenario.judge` finds it invalid. When the lab itself
failed (no API, no space, a refused request) or was interrupted, the error is raised
after recovery.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lab.errors import ClusterUnreachable, HistoryDamaged, LabError, ObserverLost
from lab.scenario import interruption
from lab.scenario.events import NS, Event
from lab.scenario.history import History
from lab.scenario.model import Condition, Scenario, Step, Variant
from lab.scenario.recovery import Injected, recover
from lab.scenario.stage import Fault, MayFail, Stage, UndoLog
from lab.scenario.timeline import quiet

SETTLED = quiet(10)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Times of the runner, in seconds.

    `poll_s` between two looks; `patience_s` with an API that is away; `recovery_s` for
    one fault; `audit_s` for the audit and the end of all streams.
    """

    poll_s: float = 0.25
    patience_s: float = 30
    recovery_s: float = 60
    audit_s: float = 120


class Sink(Protocol):
    """Where the history is written to; lab.scenario.history.Recorder is one."""

    def append(self, events: Iterable[Event]) -> None: ...


Listener = Callable[[Sequence[Event]], None]
"""Is shown what was recorded, as it comes: for a live view."""


class BrokenOff(Exception):
    """The run can prove nothing any more; the history says why."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of this process: `monotonic` in seconds, `pause` waits that long."""

    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep


def play(
    scenario: Scenario,
    variant: Variant,
    *,
    run: str,
    stage: Stage,
    sink: Sink,
    undo_log: UndoLog,
    listener: Listener | None = None,
    bounds: Bounds | None = None,
    clock: Clock | None = None,
) -> History:
    """Play `variant` and return its history; `run` is an id for the observer.

    Raises LabError when the lab could not do its work, and passes on an interruption;
    in both cases what had been injected was recovered, and the stage is closed.
    """
    playing = _Run(
        scenario,
        variant,
        stage,
        sink,
        undo_log,
        listener or (lambda _events: None),
        bounds or Bounds(),
        clock or Clock(),
    )
    return playing.play(run)


class _Run:
    def __init__(
        self,
        scenario: Scenario,
        variant: Variant,
        stage: Stage,
        sink: Sink,
        undo_log: UndoLog,
        listener: Listener,
        bounds: Bounds,
        clock: Clock,
    ) -> None:
        self._scenario = scenario
        self._variant = variant
        self._stage = stage
        self._sink = sink
        self._undo_log = undo_log
        self._listener = listener
        self._bounds = bounds
        self._clock = clock
        self._history = History()
        self._injected: list[Injected] = []
        self._unobserved: dict[str, _Awaited] = {}
        self._away_since: float | None = None
        self._afterwards: Exception | None = None

    def play(self, run: str) -> History:
        try:
            self._set_up(run)
            self._observe_baseline()
            self._change_and_measure()
        except BrokenOff:
            # The reason stands in the history, and without its later phases it is invalid.
            pass
        finally:
            self._tear_down()
        if self._afterwards:
            raise self._afterwards
        return self._history

    # The phases.

    def _set_up(self, run: str) -> None:
        began = self._clock.monotonic()
        self._stage.reset()
        facts = dict(self._stage.facts)
        # A stage may have a profile of its own, as one that is slower or smaller has.
        load = {**self._scenario.load.to_json(), **facts.pop("load", {})}
        self._stage.start(run, self._scenario.load)
        took = int((self._clock.monotonic() - began) * NS)
        begun = self._stage.now() - took
        self._record(
            {"kind": "run", "t": begun, **self._identity(run, facts), "load": load, "facts": facts},
            {"kind": "phase", "t": begun, "name": "setup"},
        )

    def _identity(self, run: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        told = ("stage", "distribution", "version", "clock")
        return {
            "run": run,
            "scenario": self._scenario.name,
            "variant": self._variant.name,
            "seed": self._scenario.load.seed,
            **{name: facts.get(name) for name in told},
        }

    def _observe_baseline(self) -> None:
        self._begin("baseline")
        end = self._stage.now() + int(self._scenario.baseline_s * NS)
        while self._stage.now() < end:
            self._look()
        # The line of what was sent last is written when it is answered, and read after that.
        self._look()
        problems = self._scenario.baseline(self._history)
        if problems:
            self._break_off(*(f"baseline: {problem}" for problem in problems))

    def _change_and_measure(self) -> None:
        try:
            self._begin("run")
            for step in self._variant.timeline:
                self._perform(step)
            self._await_effects()
            self._begin("recover")
            self._recover_faults()
            self._begin("settle")
            self._settle()
            self._verify()
        except BaseException:
            self._recover(self._injected)
            raise

    def _settle(self) -> None:
        condition = self._scenario.settle or SETTLED
        if not self._wait("settle", condition):
            # Not invalid by itself: that it never gets quiet may be what is predicted.
            self._note(f"it did not settle: {condition.sentence} did not come about")

    def _verify(self) -> None:
        self._begin("verify")
        try:
            self._stage.stop()
            self._look()
            self._stage.audit(self._variant.invariants)
        except ObserverLost as exc:
            self._lose("observer", exc.message)
        end = self._stage.now() + int(self._bounds.audit_s * NS)
        while not self._is_audited():
            if self._stage.now() > end:
                self._lose("audit", f"no end of the audit within {self._bounds.audit_s:g} s")
            self._look()

    def _is_audited(self) -> bool:
        opened = {event["stream"] for event in self._history.of("stream")}
        closed = {event["stream"] for event in self._history.of("closed")}
        return bool(self._history.of("audit_done")) and opened <= closed

    def _tear_down(self) -> None:
        with interruption.held():
            if self._history.events:
                self._say(kind="phase", name="teardown")
            try:
                self._stage.close()
            except LabError as exc:
                # Raised when there is no other: it must not hide the error that ended the run.
                self._afterwards = exc

    # The timeline.

    def _perform(self, step: Step) -> None:
        if not self._wait(step.name, step.when):
            self._break_off(
                f"step {step.name!r}: {step.when.sentence} did not come about"
                f" within {step.when.within_s:g} s"
            )
        due = {"kind": "step", "t": self._stage.now(), "name": step.name, "what": "due"}
        self._record({**due, "detail": "", "injects": step.fault is not None})
        if step.fault is not None:
            self._inject(step, step.fault)

    def _wait(self, name: str, condition: Condition) -> bool:
        """Look until `condition` holds or its time is up; tell whether it holds."""
        sentence = f"waiting up to {condition.within_s:g} s until {condition.sentence}"
        self._step(name, "waiting", sentence)
        end = self._stage.now() + int(condition.within_s * NS)
        while not condition.holds(self._history, self._stage.now()):
            if self._stage.now() > end:
                self._step(name, "timed_out", condition.sentence)
                return False
            self._look()
        return True

    def _inject(self, step: Step, fault: Fault) -> None:
        entry = self._undo_log.intend(fault.name, fault.undo())
        # From here on it may have happened, whatever `inject` comes back with.
        self._injected.append(Injected(fault, entry))
        self._fault(fault.name, "requested", fault.describe(), step=step.name)
        fault.inject(self._stage)
        end = self._stage.now() + int(step.observed_within_s * NS)
        self._unobserved[fault.name] = _Awaited(fault, step, end)

    def _await_effects(self) -> None:
        while self._unobserved:
            self._look()

    def _check_effects(self) -> None:
        for name, awaited in list(self._unobserved.items()):
            fault = awaited.fault
            failure = fault.failure(self._history) if isinstance(fault, MayFail) else None
            if fault.is_observed(self._history):
                del self._unobserved[name]
                self._fault(name, "observed", "", step=awaited.step.name)
            elif failure:
                self._fault(name, "failed", failure, step=awaited.step.name)
                self._break_off(f"{name}: {failure}")
            elif self._stage.now() > awaited.end:
                bound = f"no effect was seen within {awaited.step.observed_within_s:g} s"
                self._fault(name, "unobserved", bound, step=awaited.step.name)
                self._break_off(f"{name}: {bound}")

    # Recovery.

    def _recover_faults(self) -> None:
        """Recover what is not itself the subject; a lasting change is what is measured."""
        passing = [each for each in self._injected if not each.fault.lasting]
        self._injected = [each for each in self._injected if each.fault.lasting]
        try:
            self._recover(passing)
        finally:
            self._injected += passing

    def _recover(self, injected: list[Injected]) -> None:
        recover(
            injected,
            self._stage,
            self._undo_log,
            tell=lambda name, what, detail: self._say(
                kind="fault", name=name, what=what, detail=detail
            ),
            within_s=self._bounds.recovery_s,
        )

    # Seeing and recording.

    def _look(self) -> None:
        """Wait a moment, take over what was observed since, and see which faults took effect."""
        self._clock.pause(self._bounds.poll_s)
        try:
            seen = self._stage.read()
        except ClusterUnreachable as exc:
            self._bear(exc)
            return
        except ObserverLost as exc:
            self._lose("observer", exc.message)
            return
        if self._away_since is not None:
            self._note("the observer can be reached again")
            self._away_since = None
        self._take(seen)
        self._check_effects()

    def _bear(self, error: ClusterUnreachable) -> None:
        """Go on without news for a while: lines are read by offset, so none is lost."""
        now = self._clock.monotonic()
        if self._away_since is None:
            self._away_since = now
            self._note(f"the observer cannot be reached: {error.message}")
        elif now - self._away_since > self._bounds.patience_s:
            raise error

    def _take(self, seen: Sequence[Event]) -> None:
        try:
            # An event that is damaged must not get into the file: it could not be read again.
            History(seen)
        except HistoryDamaged as exc:
            self._lose("event", exc.message)
        if seen:
            self._record(*seen)

    def _begin(self, phase: str) -> None:
        self._record({"kind": "phase", "t": self._stage.now(), "name": phase})

    def _step(self, name: str, what: str, detail: str) -> None:
        told = {"kind": "step", "t": self._stage.now(), "name": name}
        self._record({**told, "what": what, "detail": detail})

    def _fault(self, name: str, what: str, detail: str, *, step: str) -> None:
        told = {"kind": "fault", "t": self._stage.now(), "name": name, "step": step}
        self._record({**told, "what": what, "detail": detail})

    def _note(self, text: str) -> None:
        self._record({"kind": "note", "t": self._stage.now(), "text": text})

    def _break_off(self, *reasons: str) -> None:
        for reason in reasons:
            self._note(reason)
        raise BrokenOff(*reasons)

    def _lose(self, what: str, detail: str) -> None:
        self._record({"kind": "lost", "t": self._stage.now(), "what": what, "detail": detail})
        raise BrokenOff(detail)

    def _record(self, *events: Event) -> None:
        self._sink.append(events)
        self._history.add(events)
        self._listener(events)

    def _say(self, **fields: Any) -> None:
        """Record what happens while cleaning up, which nothing must stop, least a full disk."""
        try:
            self._record({"t": self._stage.now(), **fields})
        except Exception as exc:
            # Raised at the end, unless the run has ended by an error of its own.
            self._afterwards = exc


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A fault whose effect is to be seen before `end`, in ns."""

    fault: Fault
    step: Step
    end: int
