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

from dataclasses import dataclass
from typing import Any

from lab.errors import Interrupted, LabError, ObserverLost
from lab.scenario import interruption, waiting
from lab.scenario.events import NS
from lab.scenario.history import History
from lab.scenario.model import Condition, Scenario, Step, Variant
from lab.scenario.profile import profile_of
from lab.scenario.recovery import Injected, recover
from lab.scenario.stage import Fault, MayFail, Stage, UndoLog
from lab.scenario.tape import BrokenOff, Clock, Listener, Sink, Tape

NOT_ALL_TAKEN_BACK = (
    "the run was cut short: what can be taken back was, but not what a migration committed, so"
    " old code may serve on a new schema; {command} restores the start state, as the next run"
    " does"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Times of the runner, in seconds.

    `poll_s` between two looks; `patience_s` with an API that is away; `recovery_s` for
    one fault that asks for no time of its own; `audit_s` for the audit and the end of all streams.
    """

    poll_s: float = 0.25
    patience_s: float = 30
    recovery_s: float = 60
    audit_s: float = 120


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
    bounds, clock = bounds or Bounds(), clock or Clock()
    listener = listener or (lambda _events: None)
    tape = Tape(stage, sink, listener, clock=clock, patience_s=bounds.patience_s)
    _Playing(scenario, variant, stage, undo_log, tape, bounds, clock).play(run)
    return tape.history


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A fault whose effect is to be seen before `end`, in ns."""

    fault: Fault
    step: Step
    end: int


class _Playing:
    """One run under way: which faults were injected, and which effects are still awaited."""

    def __init__(
        self,
        scenario: Scenario,
        variant: Variant,
        stage: Stage,
        undo_log: UndoLog,
        tape: Tape,
        bounds: Bounds,
        clock: Clock,
    ) -> None:
        self._scenario = scenario
        self._variant = variant
        self._stage = stage
        self._undo_log = undo_log
        self._tape = tape
        self._bounds = bounds
        self._clock = clock
        self._injected: list[Injected] = []
        self._awaited: dict[str, _Awaited] = {}

    def play(self, run: str) -> None:
        try:
            self._set_up(run)
            self._observe_baseline()
            self._change_and_measure()
        except BrokenOff:
            # The reason stands in the history, and without its later phases it is invalid.
            pass
        finally:
            self._tear_down()
        if self._tape.failure:
            raise self._tape.failure

    # The phases.

    def _set_up(self, run: str) -> None:
        began = self._clock.monotonic()
        self._stage.reset(self._variant.start)
        self._stage.start(run, self._scenario.load)
        took = int((self._clock.monotonic() - began) * NS)
        begun = self._tape.now() - took
        self._tape.record(
            {"kind": "run", "t": begun, "run": run, **self._told()},
            {"kind": "phase", "t": begun, "name": "setup"},
        )

    def _told(self) -> dict[str, Any]:
        """Return what the first line tells: who plays what, on what, with what load."""
        facts = dict(self._stage.facts)
        # A stage may have a profile of its own, as one that is slower or smaller has.
        load = {**self._scenario.load.to_json(), **facts.pop("load", {})}
        names = {"scenario": self._scenario.name, "variant": self._variant.name}
        where = {name: facts.get(name) for name in ("stage", "distribution", "version", "clock")}
        return {**names, **where, "seed": load["seed"], "load": load, "facts": facts}

    def _observe_baseline(self) -> None:
        self._tape.begin("baseline")
        profile = profile_of(self._scenario, self._stage.facts)
        end = self._tape.in_s(profile.baseline_s)
        # Not by the clock alone: what an observer that is away has seen is still to come.
        while not self._tape.is_over(end):
            self._look()
        # The line of what was sent last is written when it is answered, and read after that.
        self._look()
        problems = self._scenario.baseline(self._tape.history)
        if problems:
            self._tape.break_off(*(f"baseline: {problem}" for problem in problems))

    def _change_and_measure(self) -> None:
        try:
            self._tape.begin("run")
            for step in self._variant.timeline:
                self._perform(step)
            while self._awaited:
                self._look()
            self._tape.begin("recover")
            self._recover_passing_faults()
            self._tape.begin("settle")
            self._settle()
            self._tape.begin("verify")
            self._verify()
        except BaseException as exc:
            self._cut_short(exc)
            raise

    def _cut_short(self, error: BaseException) -> None:
        if not self._injected:
            return
        self._recover(self._injected)
        command = self._stage.facts.get("reset_command")
        if command is None:
            return
        self._tape.tell_if_possible("note", text=NOT_ALL_TAKEN_BACK.format(command=command))
        if isinstance(error, Interrupted):
            error.hint = command

    def _settle(self) -> None:
        condition = profile_of(self._scenario, self._stage.facts).settle
        if not self._wait("settle", condition):
            # Not invalid by itself: that it never gets quiet may be what is predicted.
            self._tape.note(f"it did not settle: {condition.sentence} did not come about")

    def _verify(self) -> None:
        try:
            self._stage.stop()
            self._look()
            self._stage.audit(self._variant.invariants)
        except ObserverLost as exc:
            self._tape.lose("observer", exc.message)
        end = self._tape.in_s(self._bounds.audit_s)
        while not self._is_audited():
            if self._tape.is_over(end):
                bound = f"{self._bounds.audit_s:g} s"
                self._tape.lose("audit", f"no end of the audit within {bound}")
            self._look()

    def _is_audited(self) -> bool:
        history = self._tape.history
        opened = {event["stream"] for event in history.of("stream")}
        closed = {event["stream"] for event in history.of("closed")}
        return bool(history.of("audit_done")) and opened <= closed

    def _tear_down(self) -> None:
        with interruption.held():
            if self._tape.history.events:
                self._tape.tell_if_possible("phase", name="teardown")
            try:
                self._stage.close()
            except LabError as exc:
                # Raised when there is no other: it must not hide the error that ended the run.
                self._tape.failure = exc

    # The timeline.

    def _perform(self, step: Step) -> None:
        if not self._wait(step.name, step.when):
            late = f"{step.when.sentence} did not come about within {step.when.within_s:g} s"
            pods = waiting.reasons(self._tape.history)
            told = f"; pods wait: {', '.join(pods)}" if pods else ""
            self._tape.break_off(f"step {step.name!r}: {late}{told}")
        self._tape.step(step.name, "due", injects=step.fault is not None)
        if step.fault is not None:
            self._inject(step, step.fault)

    def _wait(self, name: str, condition: Condition) -> bool:
        """Look until `condition` holds or its time is up; tell whether it holds."""
        bound = f"{condition.within_s:g} s"
        self._tape.step(name, "waiting", f"waiting up to {bound} until {condition.sentence}")
        end = self._tape.in_s(condition.within_s)
        while not condition.holds(self._tape.history, self._tape.now()):
            if self._tape.is_over(end):
                self._tape.step(name, "timed_out", condition.sentence)
                return False
            self._look()
        return True

    def _inject(self, step: Step, fault: Fault) -> None:
        entry = self._undo_log.intend(fault.name, fault.undo())
        # From here on it may have happened, whatever `inject` comes back with.
        self._injected.append(Injected(fault, entry))
        self._tape.fault(fault.name, "requested", fault.describe(), step=step.name)
        fault.inject(self._stage)
        end = self._tape.in_s(step.observed_within_s)
        self._awaited[fault.name] = _Awaited(fault, step, end)

    def _look(self) -> None:
        """Wait a moment, take over what was observed, and see which faults took effect."""
        self._clock.pause(self._bounds.poll_s)
        self._tape.read()
        for awaited in list(self._awaited.values()):
            self._look_for(awaited)

    def _look_for(self, awaited: _Awaited) -> None:
        fault, step, history = awaited.fault, awaited.step, self._tape.history
        if fault.is_observed(history):
            del self._awaited[fault.name]
            self._tape.fault(fault.name, "observed", step=step.name)
        elif isinstance(fault, MayFail) and (failure := fault.failure(history)):
            self._tape.fault(fault.name, "failed", failure, step=step.name)
            self._tape.break_off(f"{fault.name}: {failure}")
        elif self._tape.is_over(awaited.end):
            bound = f"no effect was seen within {step.observed_within_s:g} s"
            self._tape.fault(fault.name, "unobserved", bound, step=step.name)
            self._tape.break_off(f"{fault.name}: {bound}")

    # Recovery.

    def _recover_passing_faults(self) -> None:
        """Recover what is not itself the subject; a lasting change is what is measured."""
        passing = [each for each in self._injected if not each.fault.lasting]
        self._injected = [each for each in self._injected if each.fault.lasting]
        self._recover(passing)

    def _recover(self, injected: list[Injected]) -> None:
        recover(
            injected,
            self._stage,
            self._undo_log,
            tell=lambda name, what, detail: self._tape.tell_if_possible(
                "fault", name=name, what=what, detail=detail
            ),
            within_s=self._bounds.recovery_s,
        )
