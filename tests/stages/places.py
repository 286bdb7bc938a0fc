"""Places to play in that need nothing: simulated stages on fake time, which may go wrong."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lab.paths import Paths
from lab.progress import Silent
from lab.scenario import guide
from lab.scenario.baseline import clean_traffic
from lab.scenario.history import History
from lab.scenario.load import Load
from lab.scenario.loader import Loaded
from lab.scenario.model import Check, Role, Scenario, Step, Variant
from lab.scenario.runner import Bounds
from lab.scenario.stage import Stage, UndoLog
from lab.scenario.timeline import quiet, seconds_after
from lab.scenario.verdict import CheckResult
from lab.stages.place import Place
from lab.stages.play import Playing
from lab.store import Run, Store
from tests.scenario import simulated
from tests.scenario.simulated import FakeTime, SimulatedStage

BOUNDS = Bounds(poll_s=0.5, patience_s=15, recovery_s=5, audit_s=10)

Trouble = Callable[[SimulatedStage], None]


def nothing(_stage: SimulatedStage) -> None:
    """All goes well."""


def dirty(stage: SimulatedStage) -> None:
    """The baseline is not clean, so the run proves nothing."""
    stage.columns = set()


def fails_with(error: BaseException) -> Trouble:
    """The stage cannot be reset."""

    def trouble(stage: SimulatedStage) -> None:
        def reset(_start: object) -> None:
            raise error

        stage.reset = reset  # type: ignore[method-assign]

    return trouble


@dataclass
class Grounds:
    """A place whose stages come to grief in turn, as `troubles` says; after those none does.

    `entered` and `left` count; `entering` raises what is in it, in turn. Entering takes
    `begins_within_s`, as expected.
    """

    troubles: list[Trouble] = field(default_factory=list)
    entering: list[BaseException | None] = field(default_factory=list)
    time: FakeTime = field(default_factory=FakeTime)
    entered: int = 0
    left: int = 0
    let_be_of: int = 0
    begins_within_s: float = 0

    @property
    def place(self) -> Place:
        return Place("twin", {}, self.enter, "fake", begins_within_s=self.begins_within_s)

    @contextmanager
    def enter(self) -> Iterator["Grounds"]:
        if self.entering and (error := self.entering.pop(0)):
            raise error
        self.entered += 1
        self.time.ns += int(self.begins_within_s * 1e9)
        try:
            yield self
        finally:
            self.left += 1

    @property
    def about(self) -> Mapping[str, Any]:
        return {"lab": "", "distribution": "simulated", "version": "1"}

    def prepare(self) -> tuple[Stage, UndoLog]:
        stage = SimulatedStage(self.time, rate=10, profile={"stage": "twin"})
        (self.troubles.pop(0) if self.troubles else nothing)(stage)
        return stage, simulated.UndoLog(stage.asked)

    def let_be(self) -> None:
        self.let_be_of += 1

    def playing(self, store: Store, **how: Any) -> Playing:
        return Playing(store, Silent(), bounds=BOUNDS, clock=self.time.clock(), **how)


def verdicts(*held: bool) -> Callable[[History], CheckResult]:
    """A check that holds or not in turn, and holds after that."""
    pending = list(held)

    def judge(_history: History) -> CheckResult:
        ok = pending.pop(0) if pending else True
        return CheckResult("count", ok, "as many as predicted", 12, 12 if ok else 3)

    return judge


def scenario(name: str = "nudged", *held: bool, baseline_s: float = 4) -> Loaded:
    """A scenario that waits a moment; `held` says how its careless variant comes out, in turn."""
    steps = (Step("a moment", seconds_after("baseline", 1)),)
    careless = Variant("careless", Role.CARELESS, steps, (Check("count", verdicts(*held)),))
    told = Scenario(
        name=name,
        title=name.title(),
        question="What if?",
        careless=careless,
        careful=replace(
            careless, name="careful", role=Role.CAREFUL, checks=(Check("fine", verdicts()),)
        ),
        proofs=(),
        load=Load(rate=10),
        baseline=clean_traffic,
        baseline_s=baseline_s,
        settle=quiet(2, within_s=5),
    )
    return Loaded(told, EMPTY)


def files(run: Run) -> list[str]:
    return sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*.jsonl"))


def store_in(paths: Paths, root: Path) -> Store:
    return Store(root / "runs", owner=paths.caller)


EMPTY = guide.Guide("", "", (), "", (), (), ())
