"""Stop a rollout, let it go on, or take it back, as `kubectl rollout` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.faults.effect import after_request, told_anew
from lab.scenario.history import History


class CanPause(Protocol):
    """A stage whose Deployment can be paused."""

    def pause(self) -> None:
        """Pause the rollout; a second time changes nothing."""
        ...

    def resume(self) -> None:
        """Let the rollout go on; a second time changes nothing."""
        ...


class CanUndo(Protocol):
    """A stage whose Deployment keeps its earlier templates."""

    def undo_rollout(self) -> None:
        """Put the earlier template back; do not wait for the rollout.

        A refusal is no error: it is told as an event `refused` with `what` "undo".
        """
        ...


@dataclass(frozen=True, slots=True)
class Pause:
    """Pause the rollout: changes of the template make no pods any more, pods go on serving.

    https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pausing-and-resuming-a-deployment
    """

    @property
    def name(self) -> str:
        return "pause"

    @property
    def lasting(self) -> bool:
        return True

    def describe(self) -> str:
        return "pause the rollout"

    def undo(self) -> Mapping[str, Any]:
        return {"resume": True}

    def inject(self, stage: CanPause) -> None:
        stage.pause()

    def is_observed(self, history: History) -> bool:
        return any(line.get("paused") for line in told_anew(history, self.name))

    def recover(self, stage: CanPause) -> None:
        stage.resume()


@dataclass(frozen=True, slots=True)
class Resume:
    """Let a paused rollout go on; to be taken back there is nothing."""

    @property
    def name(self) -> str:
        return "resume"

    @property
    def lasting(self) -> bool:
        return True

    def describe(self) -> str:
        return "let the paused rollout go on"

    def undo(self) -> Mapping[str, Any]:
        return {"resume": True}

    def inject(self, stage: CanPause) -> None:
        stage.resume()

    def is_observed(self, history: History) -> bool:
        return any(line.get("paused") is False for line in told_anew(history, self.name))

    def recover(self, stage: CanPause) -> None:
        stage.resume()


@dataclass(frozen=True, slots=True)
class Undo:
    """Take the rollout back with `kubectl rollout undo`: to the template before, of release `to`.

    Only the template: neither the schema nor the number of pods goes back with it. kubectl
    refuses it while the rollout is paused, and without an earlier template. `refused` says
    that a refusal is what is predicted.

    https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-back-a-deployment
    """

    to: str = "v1"
    refused: bool = False

    @property
    def name(self) -> str:
        return f"undo to {self.to}" + (" (refused)" if self.refused else "")

    @property
    def lasting(self) -> bool:
        return True

    def describe(self) -> str:
        return f"take the rollout back, to release {self.to}"

    def undo(self) -> Mapping[str, Any]:
        return {"nothing": self.name}

    def inject(self, stage: CanUndo) -> None:
        stage.undo_rollout()

    def is_observed(self, history: History) -> bool:
        """The controller has seen the earlier template; or the refusal was told."""
        if self.refused:
            return self._refusal(history) is not None
        return any(line["release"] == self.to for line in told_anew(history, self.name))

    def failure(self, history: History) -> str | None:
        return None if self.refused else self._refusal(history)

    def recover(self, stage: CanUndo) -> None:
        """What it took back is taken back by the recovery of that."""

    def _refusal(self, history: History) -> str | None:
        told = after_request(history, self.name, "refused")
        return next((event["message"] for event in told if event["what"] == "undo"), None)
