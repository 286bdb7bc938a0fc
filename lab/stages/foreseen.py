"""What did an earlier run of the same measure? It is what may be expected of the next one."""

from lab.errors import LabError
from lab.scenario.events import Event
from lab.scenario.forecast import Forecast, as_before
from lab.scenario.history import History
from lab.scenario.model import Variant
from lab.store import Run, Store

# Beyond these an earlier run is looked for in vain, and each has to be read.
NEWEST = 20


def earlier(store: Store, variant: Variant, begun: Event) -> Forecast | None:
    """Return what the newest run of `variant` that came out as predicted measured, where it was
    played on the same stage at the same rate as the run that has `begun`."""
    for run in store.runs(str(begun["scenario"]))[:NEWEST]:
        forecast = _measured(store, run, variant, begun)
        if forecast is not None:
            return forecast
    return None


def _measured(store: Store, run: Run, variant: Variant, begun: Event) -> Forecast | None:
    try:
        if not store.read_verdict(run, variant.name).as_predicted:
            return None
        history = History.read(run.history(variant.name))
    except LabError:
        # An older run that cannot be read foretells nothing, and is in nobody's way.
        return None
    told = history.first("run")
    if told is None or not _alike(told, begun):
        return None
    return as_before(history.events, run.id)


def _alike(told: Event, begun: Event) -> bool:
    same = all(told.get(name) == begun.get(name) for name in ("stage", "clock"))
    return same and told["load"].get("rate") == begun["load"].get("rate")
