"""Roll another release out, as `kubectl set image` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.faults.effect import after_request
from lab.scenario.history import History


class CanSetImage(Protocol):
    """A stage whose service can be told to run another release."""

    def set_image(self, release: str, variables: Mapping[str, str] | None = None) -> None:
        """Change the template; do not wait for the rollout. `variables` None keeps those set."""
        ...


@dataclass(frozen=True, slots=True)
class SetImage:
    """Roll out `release`; `previous` is what runs before, and again after recovery.

    `variables` are policies of the new template (CHIRPS_GATE, ...); None keeps those set.
    `previous_variables` are those of before, where they are changed. The same release a
    second time is another `attempt`. While the rollout is paused, no pod is made of it:
    `makes_pods` False says so.
    """

    release: str
    previous: str = "v1"
    variables: Mapping[str, str] | None = None
    previous_variables: Mapping[str, str] | None = None
    attempt: int = 1
    makes_pods: bool = True

    @property
    def name(self) -> str:
        again = f" (attempt {self.attempt})" if self.attempt > 1 else ""
        return f"set image {self.release}{again}"

    @property
    def lasting(self) -> bool:
        return True

    def describe(self) -> str:
        told = " ".join(f"{name}={value}" for name, value in (self.variables or {}).items())
        return f"roll out release {self.release}" + (f" with {told}" if told else "")

    def undo(self) -> Mapping[str, Any]:
        return {"set_image": self.previous, "variables": self._before}

    def inject(self, stage: CanSetImage) -> None:
        stage.set_image(self.release, self.variables)

    def is_observed(self, history: History) -> bool:
        """The Deployment's template names the release, and a pod of it was made."""
        kinds = ("deployment", "pod") if self.makes_pods else ("deployment",)
        return all(
            any(e["release"] == self.release for e in after_request(history, self.name, kind))
            for kind in kinds
        )

    def recover(self, stage: CanSetImage) -> None:
        stage.set_image(self.previous, self._before)

    @property
    def _before(self) -> Mapping[str, str] | None:
        """What the template's policies were: none but those told, when they are changed."""
        if self.variables is None:
            return None
        return dict(self.previous_variables or {})
