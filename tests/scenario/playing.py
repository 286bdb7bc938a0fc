"""Play a variant of a scenario on a simulated stage and judge it, in no time."""

from lab import content
from lab.scenario import judge, loader, runner
from lab.scenario.history import History
from lab.scenario.model import Scenario, Variant
from lab.scenario.verdict import Verdict
from tests.scenario.simulated import FakeTime, SimulatedStage, UndoLog


class Kept:
    """A sink that forgets: the history has all of it."""

    def append(self, events: object) -> None: ...


def load(name: str) -> Scenario:
    return loader.load(content.folder("scenarios"), name).scenario


def variant_of(scenario: Scenario, name: str) -> Variant:
    return next(variant for variant in scenario.variants if variant.name == name)


def play(scenario: Scenario, variant: Variant, stage: SimulatedStage) -> History:
    time: FakeTime = stage.time
    return runner.play(
        scenario,
        variant,
        run="r",
        stage=stage,
        sink=Kept(),
        undo_log=UndoLog(stage.asked),
        clock=time.clock(),
    )


def verdict_of(scenario: Scenario, name: str, stage: SimulatedStage) -> Verdict:
    variant = variant_of(scenario, name)
    return judge.judge(scenario, variant, play(scenario, variant, stage))


def said(verdict: Verdict) -> dict[str, bool | None]:
    return {check.name: check.ok for check in verdict.checks}
