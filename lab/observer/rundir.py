"""Where does a run keep its files?

One directory a run, below the observer's own: the spec, a file a stream, a log a worker.
A worker learns from it what to do, and a restarted observer still serves its streams.
"""

import json
from pathlib import Path
from typing import Any

from lab.observer.spec import LoadSpec
from lab.observer.stream import Stream
from lab.observer.streamfile import SUFFIX

SPEC = "spec.json"
INVARIANTS = "invariants.json"


def create(directory: Path, spec: LoadSpec, *, instance: str) -> None:
    """Make the directory of a new run; raises FileExistsError."""
    directory.mkdir(parents=True)
    content = {"instance": instance, "spec": spec.as_json()}
    (directory / SPEC).write_text(json.dumps(content))


def load(directory: Path) -> tuple[LoadSpec, str]:
    """Return the spec of a run and the instance that started it."""
    content = json.loads((directory / SPEC).read_text())
    return LoadSpec.parse(content["spec"]), content["instance"]


def open_stream(directory: Path, name: str, **facts: Any) -> Stream:
    """Begin a stream of the run; raises FileExistsError when it was begun before."""
    spec, instance = load(directory)
    return Stream(directory / f"{name}{SUFFIX}", run=spec.run, instance=instance, **facts)


def streams(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"*{SUFFIX}"))
