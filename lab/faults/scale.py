"""Change how many pods there should be, and how many may come and go at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.faults.effect import told_anew
from lab.scenario.evidence import requested
from lab.scenario.history import History


class CanScale(Protocol):
    """A stage whose Deployment can have another size."""

    def scale(self, replicas: int) -> None:
        """Tell how many pods there should be; do not wait for them."""
        ...


class CanSetStrategy(Protocol):
    """A stage whose Deployment can be told how it is to be rolled over."""

    def set_strategy(self, max_surge: int | str, max_unavailable: int | str) -> None: ...


@dataclass(frozen=True, slots=True)
class Scale:
    """Have `replicas` pods; `previous` is how many there are before, and after recovery."""

    replicas: int
    previous: int = 4

    @property
    def name(self) -> str:
        return f"scale to {self.replicas}"

    @property
    def lasting(self) -> bool:
        return True

    def describe(self) -> str:
        return f"scale the service to {self.replicas} pods"

    def undo(self) -> Mapping[str, Any]:
        return {"scale": self.previous}

    def inject(self, stage: CanScale) -> None:
        stage.scale(self.replicas)

    def is_observed(self, history: History) -> bool:
        """As many pods are there as should be; a rollout may have its surge on top."""
        surge = history.facts.get("max_surge", 0) if self.replicas else 0
        before = self._before(history)
        return any(
            line["replicas"] >= self.replicas
            if self.replicas > before
            else line["replicas"] <= self.replicas + surge
            for line in told_anew(history, self.name)
        )

    def recover(self, stage: CanScale) -> None:
        stage.scale(self.previous)

    def _before(self, history: History) -> int:
        since = requested(history, self.name) or 0
        earlier = [line["replicas"] for line in history.of("deployment") if line["t"] < since]
        return int(earlier[-1]) if earlier else self.previous


@dataclass(frozen=True, slots=True)
class SetStrategy:
    """Have a rolling update surge and lack so many pods: counts, or percentages as text.

    https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment
    """

    max_surge: int | str
    max_unavailable: int | str
    previous: tuple[int | str, int | str] = (1, 0)

    @property
    def name(self) -> str:
        return f"set strategy {self.max_surge}/{self.max_unavailable}"

    @property
    def lasting(self) -> bool:
        return True

    def describe(self) -> str:
        return (
            f"let a rollout have {self.max_surge} pods more and {self.max_unavailable} fewer"
            " than wanted"
        )

    def undo(self) -> Mapping[str, Any]:
        return {"set_strategy": list(self.previous)}

    def inject(self, stage: CanSetStrategy) -> None:
        stage.set_strategy(self.max_surge, self.max_unavailable)

    def is_observed(self, history: History) -> bool:
        return any(told_anew(history, self.name))

    def recover(self, stage: CanSetStrategy) -> None:
        stage.set_strategy(*self.previous)
