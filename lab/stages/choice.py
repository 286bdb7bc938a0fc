"""Which place is meant by --stage, and can it show this scenario?"""

from functools import partial

from lab.errors import BadInput
from lab.paths import Paths
from lab.progress import Progress
from lab.scenario import needs
from lab.scenario.model import Scenario
from lab.stages import clock_mode, sandbox, twin
from lab.stages.clock_mode import ClockMode
from lab.stages.place import Place
from lab.stages.twin_stage import CLOCK as TWIN_CLOCK

SANDBOX, TWIN = "sandbox", "twin"
NAMES = (SANDBOX, TWIN)


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
    if stage not in NAMES:
        raise BadInput(f"there is no stage {stage!r}; there are {', '.join(NAMES)}")
    mode = clock_mode.mode_of(clock, stage=stage, can_be_fast=stage == SANDBOX)
    places = {place.name: place for place in _all(paths, lab_name, mode, progress)}
    others = tuple(name for name in able(scenario) if name != stage)
    needs.refuse(scenario, stage, places[stage].lacks, others=others)
    return places[stage]


def able(scenario: Scenario) -> tuple[str, ...]:
    """Return the stages that can show `scenario`."""
    lacks = {SANDBOX: sandbox.LACKS, TWIN: twin.LACKS}
    return tuple(name for name in NAMES if not needs.missing(scenario, lacks[name]))


def _all(paths: Paths, lab_name: str, mode: ClockMode, progress: Progress) -> tuple[Place, ...]:
    nodes = partial(sandbox.enter, paths, lab_name, mode, progress)
    return (
        Place(SANDBOX, sandbox.LACKS, nodes, mode.name),
        Place(TWIN, twin.LACKS, partial(twin.enter, paths, progress), TWIN_CLOCK),
    )
