"""python -m benchmarks.race: how often do two pods that migrate at boot meet by themselves?

boot-race-double-apply holds each of them until a second one is there, so that it shows the same
each time. Here its careless variant is played without that barrier.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lab import content
from lab.cli._output import Lines
from lab.errors import LabError
from lab.paths import find_paths
from lab.scenario import loader, stats
from lab.scenario.loader import Loaded
from lab.scenario.model import Variant
from lab.scenario.timeline import after
from lab.scenario.verdict import Outcome
from lab.stages import choice
from lab.stages.play import Playing
from lab.store import Store

NAME = "boot-race-double-apply"
BARRIER, BEFORE, AFTERWARDS = "barrier", "grant", "roll out"


def without_barrier(variant: Variant) -> Variant:
    """Return the variant in which nobody waits for a second pod."""
    steps = (step for step in variant.timeline if step.name != BARRIER)
    return replace(
        variant,
        timeline=tuple(
            replace(step, when=after(BEFORE)) if step.name == AFTERWARDS else step for step in steps
        ),
    )


def play(loaded: Loaded, stage: str, lab: str, times: int, runs: Path) -> list[Outcome]:
    """Play it `times` times and return what came of each. Raises LabError."""
    paths, progress = find_paths(), Lines(sys.stderr)
    place = choice.place_of(paths, stage, loaded.scenario, lab_name=lab, progress=progress)
    playing = Playing(Store(runs, owner=paths.caller), progress)
    played = [
        playing.play(place, loaded, [loaded.scenario.careless]).verdicts[0] for _ in range(times)
    ]
    return [verdict.outcome for verdict in played]


def told(outcomes: Sequence[Outcome]) -> str:
    """Say in how many of the runs that could be trusted the data was changed twice."""
    valid = [each for each in outcomes if each is not Outcome.INVALID]
    hits = valid.count(Outcome.REPRODUCED)
    if not valid:
        return "no run could be trusted"
    low, high = stats.wilson(hits, len(valid))
    return f"{hits} of {len(valid)} runs, 95 %: {low:.0%} to {high:.0%}"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race")
    parser.add_argument("--stage", choices=choice.NAMES, default=choice.TWIN)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--name", default="lab", metavar="LAB", help="which lab (lab)")
    options = parser.parse_args(argv)
    loaded = loader.load(content.folder("scenarios"), NAME)
    scenario = replace(loaded.scenario, careless=without_barrier(loaded.scenario.careless))
    with tempfile.TemporaryDirectory() as folder:
        try:
            outcomes = play(
                replace(loaded, scenario=scenario),
                options.stage,
                options.name,
                options.times,
                Path(folder),
            )
        except LabError as error:
            sys.stderr.write(f"Error: {error.message}\n")
            return error.exit_code
    sys.stdout.write(f"applied twice without the barrier: {told(outcomes)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
