"""A place of its own for labs that are measured, which leaves nothing behind."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from benchmarks.hand import Hand
from benchmarks.lab_command import LabCommand
from lab.artifacts import layout
from lab.errors import Interrupted, LabError
from lab.paths import find_paths

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Workplace:
    """A directory with a lab's data and state; the cache is the calling user's own."""

    directory: Path
    lab: LabCommand
    hand: Hand


@contextmanager
def workplace() -> Iterator[Workplace]:
    """Make one, and remove it with all that was brought up in it, also when interrupted."""
    directory = Path(tempfile.mkdtemp(prefix="lab-benchmark-", dir="/var/tmp"))
    environment = {
        "XDG_DATA_HOME": str(directory / "data"),
        "XDG_STATE_HOME": str(directory / "state"),
    }
    paths = find_paths({**os.environ, **environment})
    place = Workplace(directory, LabCommand(paths, environment), Hand(directory / "hand", paths))
    before = {number: signal.signal(number, _interrupt) for number in _ENDING}
    try:
        yield place
    finally:
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)
        _clear(place)
        for number, action in before.items():
            signal.signal(number, action)


def _clear(place: Workplace) -> None:
    """Remove both clusters, then the directory; one that stays does not keep the other."""
    failures: list[LabError] = []
    for remove in (place.lab.remove, place.hand.remove):
        try:
            remove()
        except LabError as exc:
            failures.append(exc)
    if failures:
        raise failures[0]
    layout.refuse_mounted(place.directory)
    shutil.rmtree(place.directory)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted("interrupted; everything the benchmark made is being removed")
