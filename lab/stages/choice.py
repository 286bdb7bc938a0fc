"""Which place is meant by --stage, and can it show this scenario?"""

from functools import partial

from lab.errors import BadInput
from lab.paths import Paths
from lab.progress import Progress
from lab.scenario import needs
from lab.scenario.model import Scenario
from lab.stages import clock_mode, kind, sandbox, twin
from lab.stages.clock_mode import ClockMode
from lab.stages.estimate import Estimates
from lab.stages.place import Place
from lab.stages.twin_stage import CLOCK as TWIN_CLOCK
from lab.store import Store

SANDBOX, KIND, TWIN = "sandbox", "kind", "twin"
NAMES = (SANDBOX, KIND, TWIN)


def place_of(
    paths: Paths,
    stage: str,
    scenario: Scenario,
    *,
    lab_name: str,
    progress: Progress,
    clock: str = clock_mode.HONEST.name,
) -> Place:
    """Return the place; raises BadInput for an unknown one, and for one that cannot show it."""
    lacks(paths, stage, lab_name)
    mode = clock_mode.mode_of(clock, stage=stage, can_be_fast=stage != TWIN)
    places = {place.name: place for place in _all(paths, lab_name, mode, progress)}
    return require_able(places[stage], scenario)


def require_able(place: Place, scenario: Scenario) -> Place:
    """Return the place; raises BadInput with the reasons where it cannot show the scenario."""
    others = tuple(name for name in able(scenario) if name != place.name)
    needs.refuse(scenario, place.name, place.lacks, others=others)
    return place


def able(scenario: Scenario) -> tuple[str, ...]:
    """Return the stages that can show `scenario`."""
    lacks = {SANDBOX: sandbox.LACKS, KIND: kind.ALWAYS, TWIN: twin.LACKS}
    return tuple(name for name in NAMES if not needs.missing(scenario, lacks[name]))


def clock_of(stage: str, mode: ClockMode) -> str:
    """Return the clock as runs on the stage tell it: a twin has times of its own."""
    return TWIN_CLOCK if stage == TWIN else mode.name


def takes(store: Store, scenario: Scenario, clock: str) -> dict[str, float]:
    """Return by stage how long both variants will take there, in seconds; raises BadInput."""
    mode = clock_mode.mode_of(clock, stage=SANDBOX, can_be_fast=True)
    both = (scenario.careless, scenario.careful)
    return {
        stage: Estimates(store, stage, clock_of(stage, mode)).seconds(scenario, both)
        for stage in able(scenario)
    }


def lacks(paths: Paths, stage: str, lab_name: str) -> needs.Lacks:
    """Return what this lab cannot show on `stage`; raises BadInput for an unknown one."""
    if stage not in NAMES:
        raise BadInput(f"there is no stage {stage!r}; there are {', '.join(NAMES)}")
    if stage == KIND:
        return kind.lacks_of(paths, lab_name)
    return {SANDBOX: sandbox.LACKS, TWIN: twin.LACKS}[stage]


def _all(paths: Paths, lab_name: str, mode: ClockMode, progress: Progress) -> tuple[Place, ...]:
    nodes = partial(sandbox.enter, paths, lab_name, mode, progress)
    return (
        Place(SANDBOX, sandbox.LACKS, nodes, clock_of(SANDBOX, mode)),
        Place(
            KIND,
            kind.lacks_of(paths, lab_name),
            partial(kind.enter, paths, lab_name, mode, progress),
            clock_of(KIND, mode),
        ),
        Place(TWIN, twin.LACKS, partial(twin.enter, paths, progress), clock_of(TWIN, mode)),
    )
