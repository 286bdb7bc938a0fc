"""What happens to a node: its agent stops, or its power goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from lab.faults.isolate import is_not_ready, is_ready_again
from lab.scenario.history import History
from lab.scenario.needs import Need

AGENT_RECOVERY_S = 120.0
"""Seconds: two commands on the node, then the node is Ready."""
POWER_RECOVERY_S = 200.0
"""Seconds: the node boots, its agent starts, then the node is Ready."""


class CanStopAgent(Protocol):
    """A stage of nodes with an agent each (kubelet, k3s)."""

    def stop_agent(self, node: str) -> None:
        """Stop the node's agent; its containers go on."""
        ...

    def start_agent(self, node: str, *, wait: bool) -> None:
        """Start it; `wait` returns when the node is Ready again. One that runs is fine."""
        ...


class CanPowerOff(Protocol):
    """A stage of machines that the lab made."""

    def power_off(self, node: str) -> None:
        """Cut the node's power: nothing on it can say goodbye."""
        ...

    def power_on(self, node: str, *, wait: bool) -> None:
        """Boot the node; `wait` returns when it is Ready again. One that is on is fine."""
        ...


@dataclass(frozen=True, slots=True)
class StopAgent:
    """Stop the agent of `node`. Its containers keep running, and nobody looks after them.

    The node's lease is renewed no more, so after the node-monitor-grace-period the cluster
    takes it for lost: https://kubernetes.io/docs/concepts/architecture/nodes/#node-status
    """

    needs: ClassVar[tuple[Need, ...]] = (Need.NODE_AGENT,)
    recovery_s: ClassVar[float] = AGENT_RECOVERY_S

    node: str

    @property
    def name(self) -> str:
        return f"stop agent {self.node}"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return f"stop the agent of {self.node}; its containers go on"

    def undo(self) -> Mapping[str, Any]:
        return {"start_agent": self.node}

    def inject(self, stage: CanStopAgent) -> None:
        stage.stop_agent(self.node)

    def is_observed(self, history: History) -> bool:
        return is_not_ready(history, self.name, self.node)

    def recover(self, stage: CanStopAgent) -> None:
        stage.start_agent(self.node, wait=True)


@dataclass(frozen=True, slots=True)
class StartAgent:
    """Start it again within the timeline."""

    needs: ClassVar[tuple[Need, ...]] = (Need.NODE_AGENT,)
    recovery_s: ClassVar[float] = AGENT_RECOVERY_S

    node: str

    @property
    def name(self) -> str:
        return f"start agent {self.node}"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return f"start the agent of {self.node} again"

    def undo(self) -> Mapping[str, Any]:
        return {"start_agent": self.node}

    def inject(self, stage: CanStopAgent) -> None:
        stage.start_agent(self.node, wait=False)

    def is_observed(self, history: History) -> bool:
        return is_ready_again(history, self.name, self.node)

    def recover(self, stage: CanStopAgent) -> None:
        stage.start_agent(self.node, wait=True)


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Cut the power of `node`: its containers end as well, and nobody is told."""

    needs: ClassVar[tuple[Need, ...]] = (Need.NODES,)
    recovery_s: ClassVar[float] = POWER_RECOVERY_S

    node: str

    @property
    def name(self) -> str:
        return f"power off {self.node}"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return f"cut the power of {self.node}"

    def undo(self) -> Mapping[str, Any]:
        return {"power_on": self.node}

    def inject(self, stage: CanPowerOff) -> None:
        stage.power_off(self.node)

    def is_observed(self, history: History) -> bool:
        return is_not_ready(history, self.name, self.node)

    def recover(self, stage: CanPowerOff) -> None:
        stage.power_on(self.node, wait=True)


@dataclass(frozen=True, slots=True)
class PowerOn:
    """Switch it on again within the timeline."""

    needs: ClassVar[tuple[Need, ...]] = (Need.NODES,)
    recovery_s: ClassVar[float] = POWER_RECOVERY_S

    node: str

    @property
    def name(self) -> str:
        return f"power on {self.node}"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return f"switch {self.node} on again"

    def undo(self) -> Mapping[str, Any]:
        return {"power_on": self.node}

    def inject(self, stage: CanPowerOff) -> None:
        stage.power_on(self.node, wait=False)

    def is_observed(self, history: History) -> bool:
        return is_ready_again(history, self.name, self.node)

    def recover(self, stage: CanPowerOff) -> None:
        stage.power_on(self.node, wait=True)
