"""With which timers of Kubernetes is a scenario played: its own, or shorter ones?

Shorter ones save minutes, and teach wrong numbers. So the report of such a run says so first,
and whatever is predicted is computed from the timers that were read back. The run itself is
watched for less long, too, before and after.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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
    """`timers` None: what the cluster does when nobody says otherwise.

    `profile` is laid over the service's, under the names of manifests/chirps/profiles; `watched`
    are facts as `lab.scenario.profile` reads them.
    """

    name: str
    timers: Timers | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    watched: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_other(self) -> bool:
        """Whether the cluster must be changed for it."""
        return self.timers is not None

    def applied_to(self, start: Start, deployed: Mapping[str, Any]) -> Start:
        """Return the start with what this clock shortens of the profile that is `deployed`.

        What a scenario says itself counts, and so does what is shorter anyway.
        """
        shorter = {
            name: seconds
            for name, seconds in self.profile.items()
            # Where the profile sets none, Kubernetes' own default counts, which is longer.
            if deployed.get(name) is None or seconds < deployed[name]
        }
        return replace(start, profile={**shorter, **start.profile}) if shorter else start


HONEST = ClockMode("honest")
FAST = ClockMode(
    "fast",
    # A node reports five times before it may be taken for lost: six of them share this host's CPU.
    Timers(node_monitor_grace_s=20, node_status_report_s=4),
    # What a rollout waits for; how long a pod lives on when it ends is not touched, since the
    # nodes need their time to learn of it.
    {"toleration_seconds": 5, "min_ready_seconds": 2, "progress_deadline_seconds": 15},
    {"baseline_s": 5, "quiet_s": 2},
)
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
    """Return the clock's name, the timers that count, and how long the run is watched."""
    return {"clock": mode.name, **mode.watched, **service_timers.facts(lab, client)}
