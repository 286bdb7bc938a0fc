"""The place of real nodes: a lab that is up, with the service deployed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab.errors import InvalidValue
from lab.lifecycle.lab import Lab, require_root
from lab.lifecycle.lock import exclusive
from lab.paths import Paths
from lab.progress import Progress
from lab.scenario.needs import Lacks
from lab.scenario.stage import Stage, UndoLog
from lab.service import rollout
from lab.stages import clock_mode
from lab.stages.clock_mode import HONEST, ClockMode
from lab.stages.cluster import NAME, ClusterStage
from lab.stages.undo import LabUndoLog

LACKS: Lacks = {}


@dataclass(frozen=True, slots=True)
class SandboxGround:
    """Implements `lab.stages.place.Ground`."""

    lab: Lab
    undo_log: LabUndoLog
    mode: ClockMode = HONEST
    stage: str = NAME

    @property
    def about(self) -> Mapping[str, Any]:
        record = self.lab.record
        return {
            "lab": record.name,
            "distribution": record.distribution,
            "version": record.version,
        }

    def prepare(self) -> tuple[Stage, UndoLog]:
        # Connected anew, and proved anew to be the lab's: a run writes to its cluster.
        stage = ClusterStage(self.lab, self.lab.connect(), self.undo_log, self.mode, self.stage)
        return stage, self.undo_log

    def let_be(self) -> None:
        """A new release, a new schema: the next reset ends it."""
        self.undo_log.close(self.undo_log.left())


@contextmanager
def enter(
    paths: Paths, lab_name: str, mode: ClockMode, progress: Progress
) -> Iterator[SandboxGround]:
    """Have the lab to oneself. Raises LabError where there is none, or no service on it."""
    require_root("scenario run", why="enters the lab's network and its database")
    with exclusive(paths, lab_name):
        lab = Lab.load(paths, lab_name)
        if lab.record.kind:
            raise InvalidValue(
                f"the nodes of lab {lab_name!r} are containers of kind",
                hint=f"lab scenario run --name {lab_name} --stage kind",
            )
        with enter_lab(lab, mode, progress, stage=NAME) as ground:
            yield ground


@contextmanager
def enter_lab(
    lab: Lab, mode: ClockMode, progress: Progress, *, stage: str
) -> Iterator[SandboxGround]:
    """Enter a lab whose lock is held; `stage` is what its runs are said to be played on."""
    # Before anything of a run is written: without a service there is none.
    client = lab.connect()
    rollout.configured(client)
    ground = SandboxGround(lab, LabUndoLog(lab), mode, stage)
    if mode.is_other or clock_mode.is_left(lab):
        # The clock is set on every node, so all of them must be there.
        ClusterStage(lab, client, ground.undo_log).heal()
    with clock_mode.ticking(lab, client, mode, progress):
        yield ground
