"""A cluster of kind for one command: made when it is first needed, gone when the command ends.

What a command that was killed left is told from a lab that somebody made by the lab's own record,
so that it holds for this one lab and goes with it. Commands of a name are kept apart by a lock.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import rmtree

from lab import artifacts
from lab.artifacts.serviceimages import service_recipes
from lab.errors import InvalidValue, LabBusy, LabError
from lab.files import give_to, make_dir
from lab.lifecycle import kind_up
from lab.lifecycle import record as records
from lab.lifecycle.bounds import BOUNDS, Bounds
from lab.lifecycle.down import down
from lab.lifecycle.kind_plan import Wanted, recipes
from lab.lifecycle.lab import Lab
from lab.lifecycle.lock import exclusive
from lab.paths import Paths
from lab.progress import Progress
from lab.scenario import interruption
from lab.service.deploy import Wish, deploy
from lab.stages import kind, kind_takes
from lab.stages.clock_mode import HONEST
from lab.stages.place import Place
from lab.stages.sandbox import SandboxGround

PODS_WITHIN_S = 120.0
REMOVAL_S = 15.0
"""What is kept of a budget for taking the cluster away."""


def place_once(
    paths: Paths,
    name: str,
    wanted: Wanted,
    progress: Progress,
    *,
    bounds: Bounds = BOUNDS,
) -> Place:
    """Return the place; entering it makes the cluster, leaving it takes the cluster away."""
    return Place(
        kind.NAME,
        kind.lacks(wanted.make_nodes()),
        partial(made, paths, name, wanted, progress, bounds=bounds),
        HONEST.name,
        begins_within_s=kind_takes.expected_s(paths, wanted),
        ends_within_s=REMOVAL_S,
        quicker="lab up --on kind; lab deploy; lab ci --stage kind, on a cluster that stays",
    )


@contextmanager
def made(
    paths: Paths,
    name: str,
    wanted: Wanted,
    progress: Progress,
    *,
    bounds: Bounds = BOUNDS,
) -> Iterator[SandboxGround]:
    """Make a lab of that name with the service on it, and remove it however this ends."""
    with reserved(paths, name, progress):
        try:
            began, is_built = time.monotonic(), has_all(paths, wanted)
            kind_up.up(paths, name, wanted, progress=progress, bounds=bounds, once=True)
            deploy(paths, name, Wish(), progress=progress, timeout_s=PODS_WITHIN_S)
            if is_built:
                kind_takes.keep(paths, wanted, time.monotonic() - began)
            with kind.enter(paths, name, HONEST, progress) as ground:
                yield ground
        finally:
            # Bounded, and begun at once: whoever cancels a job kills it some seconds later.
            with interruption.held():
                _remove(paths, name, progress)


@contextmanager
def reserved(paths: Paths, name: str, progress: Progress) -> Iterator[None]:
    """Have the name to oneself, without what an earlier command of this kind left.

    Raises InvalidValue where somebody has a lab of that name, LabBusy where another command
    is at it.
    """
    with lock_file(paths, name).open("a") as held:
        give_to(Path(held.name), paths.caller)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise LabBusy(
                f"another command plays on a cluster {name!r} of its own now",
                hint="another --name, or try again when it has ended",
            ) from exc
        if is_somebodys(paths, name):
            raise InvalidValue(
                f"there is a lab {name!r} already, and this one would be removed at the end",
                hint=f"lab ci --stage kind --name {name} plays on it; or another --name",
            )
        _remove(paths, name, progress)
        yield


def has_all(paths: Paths, wanted: Wanted) -> bool:
    """Whether nothing has to be built first, which would take minutes and only once."""
    return not artifacts.missing((*recipes(wanted.image), *service_recipes()), paths)


def lock_file(paths: Paths, name: str) -> Path:
    """Return the file that is locked; it stays, or two commands could lock two of that name."""
    return make_dir(paths.state / "kind", owner=paths.caller) / f"{name}.lock"


def is_somebodys(paths: Paths, name: str) -> bool:
    """Whether a lab of that name is there which no command of this kind made.

    One whose record cannot be read counts as such. Where there is none, and nothing of the host is
    changed, a command was killed before it began or when all was removed.
    """
    if not paths.lab(name).exists():
        return False
    try:
        if has_record(paths, name):
            return not records.load(paths, name).once
        return bool(Lab.open(paths, records.unknown(name)).journal.open_changes())
    except LabError:
        return True


def has_record(paths: Paths, name: str) -> bool:
    return (paths.lab(name) / records.FILE).exists()


def _remove(paths: Paths, name: str, progress: Progress) -> None:
    """Remove what a command of this kind made; a lab that somebody made meanwhile stays."""
    if not paths.lab(name).exists() or is_somebodys(paths, name):
        return
    if has_record(paths, name):
        down(paths, name, progress=progress)
        return
    with exclusive(paths, name):
        if not has_record(paths, name):
            rmtree(paths.lab(name))
