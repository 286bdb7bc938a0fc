"""How long does it take to make a cluster of kind with the service on it?

As long as the last times, on as many nodes of the same image: what was measured is kept. Before
the first time it is what was measured elsewhere, see *A cluster of kind* in the README. Neither
counts what is built or pulled before.
"""

import json
import statistics
from contextlib import suppress
from pathlib import Path

from lab.errors import LabError
from lab.files import make_dir, write_json
from lab.lifecycle.kind_plan import DEFAULT_NODES, Wanted
from lab.paths import Paths

NEWEST = 5
USUAL_S = 80.0 + 48.0
"""Six nodes up, and the service deployed, on two cores."""
FIXED_PART = 0.5
"""What of it does not depend on how many nodes there are: the control plane, the database."""


def expected_s(paths: Paths, wanted: Wanted) -> float:
    """Return the median of the newest measurements in seconds, else a guess."""
    if measured := _measured(paths).get(_key(wanted)):
        return statistics.median(measured)
    return USUAL_S * (FIXED_PART + (1 - FIXED_PART) * len(wanted.make_nodes()) / DEFAULT_NODES)


def keep(paths: Paths, wanted: Wanted, seconds: float) -> None:
    """Keep a measurement; where it cannot be written, the next guess is no better than this one."""
    measured = _measured(paths)
    key = _key(wanted)
    measured[key] = [*measured.get(key, []), round(seconds, 1)][-NEWEST:]
    with suppress(LabError, OSError):
        write_json(_file(paths), measured, owner=paths.caller)


def _key(wanted: Wanted) -> str:
    return f"{len(wanted.make_nodes())} {wanted.image or 'own'}"


def _measured(paths: Paths) -> dict[str, list[float]]:
    try:
        told = json.loads(_file(paths).read_text())
        return {str(key): [float(each) for each in kept] for key, kept in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _file(paths: Paths) -> Path:
    return make_dir(paths.state / "kind", owner=paths.caller) / "seconds.json"
