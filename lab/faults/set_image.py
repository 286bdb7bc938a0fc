"""Roll another release out, as `kubectl set image` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.scenario.evidence import requested
from lab.scenario.history import History


class CanSetImage(Protocol):
    """A stage whose service can be told to run another release."""

    def set_image(self, release: str) -> None:
        """Change the template; do not wait for the rollout."""
        ...


@dataclass(frozen=True, slots=True)
class SetImage:
    """Roll out `release`; `previous` is what runs before, and again after recovery."""

    release: str
    previous: str = "v1"

    @property
    def name(self) -> str:
        return f"set image {self.release}"

    @property
    def lasting(self) -> bool:
        return True

    def describe(self) -> str:
        return f"roll out release {self.release}"

    def undo(self) -> Mapping[str, Any]:
        return {"set_image": self.previous}

    def inject(self, stage: CanSetImage) -> None:
        stage.set_image(self.release)

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
        stage.set_image(self.previous)
