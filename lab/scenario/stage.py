"""What the engine asks of the place where a scenario is played, of faults, and of the undo log.

Implemented above: stages in lab.stages, faults in lab.faults, the undo log on the
stage's side with lab.journal. The engine calls a stage in this order, and never two
methods at once:

    reset, start, (now | read | faults)*, stop, read, audit, read*, close

`close` comes last in every case, also after a failure and after Ctrl-C, and may come
without a `start`. A stage's own waiting is bounded by the stage.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from lab.scenario.events import Event
from lab.scenario.history import History
from lab.scenario.load import Invariant, Load


class Stage(Protocol):
    """Where a scenario is played: the six nodes, or processes beside each other."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is configured, read back after `reset`, as JSON.

        stage, distribution, version, clock; replicas, max_surge, max_unavailable,
        min_ready_s and what else the formulas of a scenario name. `load` may hold
        fields of the load that this stage has set otherwise, `baseline_s` and `quiet_s` its
        own times (`lab.scenario.profile`), `watched` and `watcher` who sees what
        (`lab.scenario.attention`), `reset_command` what brings the start state back
        after a run that was cut short, where something is left then.
        """
        ...

    def reset(self, start: Any) -> None:
        """Bring a `lab.scenario.model.Start` about: release, schema, seed, all ready.

        Also heals what an earlier run left: what is still open in the undo log.
        """
        ...

    def start(self, run: str, load: Load) -> None:
        """Put load and watchers on."""
        ...

    def now(self) -> int:
        """Return the observer's clock in ns. It is asked often and must not need the network."""
        ...

    def read(self) -> Sequence[Event]:
        """Return what was observed since the last read; at once, also when it is nothing.

        Raises ClusterUnreachable while no way leads to the observer: it is asked again
        for a while, and nothing is lost. Raises ObserverLost when the observer that
        began is gone: that is final.
        """
        ...

    def stop(self) -> None:
        """Take the load off, wait for what is in flight, close the streams. Reads go on.

        A stage that can also asks the pods what they logged and counted, and has it read as
        `log`, `metric` and `heard`. What it cannot reach is missing, and fails no run.
        """
        ...

    def audit(self, invariants: Sequence[Invariant]) -> None:
        """Begin to compare acknowledged writes with the database, and to ask `invariants`.

        The results come by `read`; the event `audit_done` is the last of them.
        """
        ...

    def close(self) -> None:
        """See that nothing of the run keeps running. Called once, whatever happened."""
        ...


class Fault(Protocol):
    """Something done to the system, together with how its effect is seen and taken back."""

    @property
    def name(self) -> str:
        """Unique among the faults of a variant: the history knows it by this name."""
        ...

    @property
    def lasting(self) -> bool:
        """Whether the change itself is what is judged, as a new release or a new schema is.

        When the run came to its end such a change stays, and the next reset takes it
        back. When the run broke off it is recovered like any other fault.
        """
        ...

    def describe(self) -> str:
        """Return what is done, as an imperative sentence."""
        ...

    def undo(self) -> Mapping[str, Any]:
        """Return as JSON what taking it back needs; on disk before `inject`."""
        ...

    def inject(self, stage: Any) -> None:
        """Do it, by a capability of the stage; do not wait for the effect."""
        ...

    def is_observed(self, history: History) -> bool:
        """Tell whether the effect has been seen."""
        ...

    def recover(self, stage: Any) -> None:
        """Take it back; a second time changes nothing. May run in another thread."""
        ...


@runtime_checkable
class MayFail(Protocol):
    """A fault that can be seen to have failed before the time for its effect is up."""

    def failure(self, history: History) -> str | None:
        """Return what was seen of the failure, or None."""
        ...


@runtime_checkable
class TakesItsTime(Protocol):
    """A fault whose recovery takes longer than the runner gives to one that says nothing."""

    @property
    def recovery_s(self) -> float:
        """Seconds after which a recovery that has not come back is left behind."""
        ...


class UndoLog(Protocol):
    """What may have to be taken back, on disk before it is done."""

    def intend(self, fault: str, undo: Mapping[str, Any]) -> int:
        """Write it down and return the number of the entry."""
        ...

    def undone(self, entry: int) -> None: ...
