"""Roll another release out, as `kubectl set image` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.scenario.evidence import requested
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
    `previous_variables` are those of before, where they are changed.
    """

    release: str
    previous: str = "v1"
    variables: Mapping[str, str] | None = None
    previous_variables: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        return f"set image {self.release}"

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
        since = requested(history, self.name)
        if since is None:
            return False
        return all(
            any(e["release"] == self.release and e["t"] >= since for e in history.of(kind))
            for kind in ("deployment", "pod")
        )

    def recover(self, stage: CanSetImage) -> None:
        stage.set_image(self.previous, self._before)

    @property
    def _before(self) -> Mapping[str, str] | None:
        """What has to be set again; nothing where nothing was changed."""
        return None if self.variables is None else dict(self.previous_variables or {})
