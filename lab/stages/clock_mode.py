"""With which timers of Kubernetes is a scenario played: its own, or shorter ones?

Shorter ones save minutes, and teach wrong numbers. So the report of such a run says so first,
and whatever is predicted is computed from the timers that were read back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from lab.errors import BadInput
from lab.kube.client import Client
from lab.lifecycle.lab import Lab
from lab.progress import Progress
from lab.provision.timers import Timers
from lab.scenario.model import Start
from lab.service import timers as service_timers


@dataclass(frozen=True, slots=True)
class ClockMode:
    """`timers` and `toleration_s` None: what the cluster does when nobody says otherwise."""

    name: str
    timers: Timers | None = None
    toleration_s: int | None = None

    @property
    def is_other(self) -> bool:
        """Whether the cluster must be changed for it."""
        return self.timers is not None

    def applied_to(self, start: Start) -> Start:
        """Return the start with pods that leave a lost node as soon as this clock says."""
        if self.toleration_s is None:
            return start
        return replace(start, profile={"toleration_seconds": self.toleration_s, **start.profile})


HONEST = ClockMode("honest")
# A node reports five times before it may be taken for lost: six of them share this host's CPU.
FAST = ClockMode("fast", Timers(node_monitor_grace_s=20, node_status_report_s=4), toleration_s=30)
NAMES = (HONEST.name, FAST.name)


def mode_of(name: str, *, stage: str, can_be_fast: bool) -> ClockMode:
    """Return the mode of that name; raises BadInput for one that `stage` does not have."""
    if name == HONEST.name:
        return HONEST
    if name != FAST.name:
        raise BadInput(f"there is no clock {name!r}; there are {', '.join(NAMES)}")
    if not can_be_fast:
        raise BadInput(
            f"--clock fast shortens timers of Kubernetes, and the {stage} has none of them",
            hint="leave --clock out, or --stage sandbox",
        )
    return FAST


def is_left(lab: Lab) -> bool:
    """Whether somebody who was cut short left another clock."""
    return bool(service_timers.journal(lab).open_changes())


@contextmanager
def ticking(lab: Lab, client: Client, mode: ClockMode, progress: Progress) -> Iterator[None]:
    """Have the lab run with this clock; what an earlier run left of another goes first."""
    service_timers.restore_left(lab, client, progress)
    if mode.timers is None:
        yield
        return
    with service_timers.shortened(lab, client, mode.timers, progress):
        yield


def facts(lab: Lab, client: Client, mode: ClockMode) -> dict[str, Any]:
    """Return the clock's name, and the timers that count."""
    return {"clock": mode.name, **service_timers.facts(lab, client)}
