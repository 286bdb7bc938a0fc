"""What is there to look at: one line a stored run."""

from dataclasses import dataclass

from lab.errors import LabError
from lab.store import Run, Store


@dataclass(frozen=True, slots=True)
class Line:
    """One run: what each variant came to, and where it was played."""

    run: str
    outcomes: str
    place: str


def overview(store: Store) -> tuple[Line, ...]:
    return tuple(_line(store, run) for run in store.runs())


def _line(store: Store, run: Run) -> Line:
    try:
        told = store.about(run)
    except LabError:
        told = {}
    place = f"{told.get('distribution', '')} {told.get('version', '')}".strip()
    outcomes = "; ".join(f"{variant}: {_outcome(store, run, variant)}" for variant in run.variants)
    return Line(run.id, outcomes or "nothing was played", place or "unknown")


def _outcome(store: Store, run: Run, variant: str) -> str:
    try:
        return store.read_verdict(run, variant).outcome.value
    except LabError:
        return "not judged"
