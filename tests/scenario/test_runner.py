"""Playing a scenario on fake time: the phases, and everything that can go wrong in them."""

import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lab.errors import (
    ClusterUnreachable,
    Interrupted,
    LabError,
    NoSpace,
    ObserverLost,
    RequestRefused,
)
from lab.scenario import runner
from lab.scenario.baseline import clean_traffic
from lab.scenario.events import NS, Event
from lab.scenario.history import History, Recorder
from lab.scenario.judge import judge
from lab.scenario.load import Load
from lab.scenario.model import Check, Role, Scenario, Start, Step, Variant
from lab.scenario.runner import Bounds
from lab.scenario.timeline import after, quiet, rolled_out, seconds_after
from lab.scenario.verdict import CheckResult, Outcome, Verdict
from tests.scenario.histories import half_migrated_rename
from tests.scenario.simulated import FakeTime, SimulatedStage, UndoLog, away

PHASES = ["setup", "baseline", "run", "recover", "settle", "verify", "teardown"]
BOUNDS = Bounds(poll_s=0.5, patience_s=15, recovery_s=5, audit_s=10)


@dataclass
class Nudge:
    """A fault that does nothing but is seen, or not, and can fail to be recovered."""

    name: str = "nudge"
    lasting: bool = False
    seen: bool = True
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    inject_error: BaseException | None = None
    on_recover: Callable[[], None] = lambda: None

    def describe(self) -> str:
        return "nudge it"

    def undo(self) -> Mapping[str, Any]:
        return {}

    def inject(self, _stage: object) -> None:
        self.asked.append(("inject", self.name))
        if self.inject_error:
            raise self.inject_error

    def is_observed(self, _history: History) -> bool:
        return self.seen

    def recover(self, _stage: object) -> None:
        self.asked.append(("recover", self.name))
        self.on_recover()


def fine(_history: History) -> CheckResult:
    return CheckResult("fine", True, "", 0, 0)


def scenario_of(*faults: Nudge, timeline: tuple[Step, ...] = ()) -> Scenario:
    """Inject the faults a second apart, and find nothing wrong with whatever happens."""
    steps = timeline or tuple(
        Step(f"step {n}", seconds_after("baseline", n), fault, observed_within_s=3)
        for n, fault in enumerate(faults, 1)
    )
    careful = Variant("careful", Role.CAREFUL, steps, (Check("fine", fine),))
    return Scenario(
        name="nudged",
        title="Nudged",
        question="What if?",
        careless=replace(careful, name="careless", role=Role.CARELESS),
        careful=careful,
        proofs=(),
        load=Load(rate=10),
        baseline=clean_traffic,
        baseline_s=4,
        settle=quiet(2, within_s=5),
    )


class Play:
    """One variant of a scenario, played on a simulated stage."""

    def __init__(self, scenario: Scenario, variant: Variant | None = None, **stage: Any) -> None:
        self.scenario = scenario
        self.variant = variant or scenario.careful
        self.time = FakeTime()
        self.stage = SimulatedStage(self.time, **({"rate": 10} | stage))
        self.asked = self.stage.asked
        self.undo_log = UndoLog(self.asked)
        self.seen: list[Event] = []
        self.sink: Any = self
        for step in self.variant.timeline:
            if isinstance(step.fault, Nudge):
                step.fault.asked = self.asked

    def append(self, events: Iterable[Event]) -> None:
        self.seen += events

    def run(self) -> Verdict:
        history = runner.play(
            self.scenario,
            self.variant,
            run="r",
            stage=self.stage,
            sink=self.sink,
            undo_log=self.undo_log,
            bounds=BOUNDS,
            clock=self.time.clock(),
        )
        return judge(self.scenario, self.variant, history)

    def judged(self) -> Verdict:
        """Judge what was recorded, as a later look at the stored run does."""
        return judge(self.scenario, self.variant, History(self.seen))

    @property
    def phases(self) -> list[str]:
        return [event["name"] for event in self.seen if event["kind"] == "phase"]

    def told(self, kind: str, **fields: Any) -> list[Event]:
        return [
            event
            for event in self.seen
            if event["kind"] == kind and all(event[k] == v for k, v in fields.items())
        ]


@pytest.mark.parametrize("name", ["careless", "careful", "control", "careful-without-expand"])
def test_the_rename_comes_out_as_predicted(name: str):
    scenario = half_migrated_rename()
    variant = next(each for each in scenario.variants if each.name == name)

    verdict = Play(scenario, variant, rate=60).run()

    assert verdict.as_predicted, verdict.reasons
    assert verdict.outcome is variant.expected


def test_phases_come_in_their_order():
    play = Play(scenario_of(Nudge()))

    verdict = play.run()

    assert verdict.outcome is Outcome.PREVENTED, verdict.reasons
    assert play.phases == PHASES
    assert play.asked == [
        ("reset",),
        ("start",),
        ("intend", "nudge"),
        ("inject", "nudge"),
        ("recover", "nudge"),
        ("undone", "nudge"),
        ("stop",),
        ("audit",),
        ("close",),
    ]


def test_the_first_line_tells_what_was_asked_for_and_what_is_configured():
    play = Play(scenario_of(Nudge()))
    play.run()

    first = play.seen[0]

    assert first["kind"] == "run"
    assert (first["scenario"], first["variant"], first["stage"]) == (
        "nudged",
        "careful",
        "simulated",
    )
    assert first["load"]["rate"] == 10
    assert first["facts"]["replicas"] == 4


def test_a_step_waits_for_its_condition_and_not_longer():
    play = Play(scenario_of(Nudge()))
    play.run()

    begin = play.told("phase", name="run")[0]["t"]
    requested = play.told("fault", what="requested")[0]["t"]

    assert 1 * NS <= requested - begin <= 1.5 * NS


def test_faults_are_recovered_newest_first():
    play = Play(scenario_of(Nudge("one"), Nudge("two"), Nudge("three")))
    play.run()

    assert [a[1] for a in play.asked if a[0] == "recover"] == ["three", "two", "one"]


def test_a_lasting_change_stays_when_the_run_came_to_its_end():
    play = Play(scenario_of(Nudge("one"), Nudge("two", lasting=True)))
    play.run()

    assert [a[1] for a in play.asked if a[0] == "recover"] == ["one"]
    # What is open in the undo log tells the next reset what to heal.
    assert list(play.undo_log.open.values()) == ["two"]


def test_a_lasting_change_is_taken_back_when_the_run_broke_off():
    play = Play(scenario_of(Nudge("one", lasting=True), Nudge("two", seen=False)))
    verdict = play.run()

    assert verdict.outcome is Outcome.INVALID
    assert [a[1] for a in play.asked if a[0] == "recover"] == ["two", "one"]
    assert not play.undo_log.open


def test_a_fault_that_is_not_observed_makes_the_run_invalid():
    verdict = Play(scenario_of(Nudge(seen=False))).run()

    assert verdict.outcome is Outcome.INVALID
    assert verdict.reasons == ("nudge: no effect was seen within 3 s",)


def test_a_condition_that_never_holds_makes_the_run_invalid():
    step = Step("wait", rolled_out("v9", within_s=4))
    verdict = Play(scenario_of(timeline=(step,))).run()

    assert verdict.outcome is Outcome.INVALID
    assert verdict.reasons == ("step 'wait' waited in vain until v9 is rolled out",)


def test_a_failed_migration_is_told_at_once():
    scenario = half_migrated_rename()
    play = Play(scenario, scenario.careless, migration_fails=True, rate=20)

    verdict = play.run()

    assert verdict.outcome is Outcome.INVALID
    assert any("BackoffLimitExceeded" in reason for reason in verdict.reasons)
    assert ("clear_migration",) in play.asked
    assert not [a for a in play.asked if a[0] == "set_image"]


def test_a_dirty_baseline_ends_the_run_before_anything_is_done():
    play = Play(scenario_of(Nudge()))
    play.stage.columns = set()

    verdict = play.run()

    assert verdict.outcome is Outcome.INVALID
    assert verdict.reasons
    assert all(reason.startswith("baseline: ") for reason in verdict.reasons)
    assert ("inject", "nudge") not in play.asked
    assert play.phases == ["setup", "baseline", "teardown"]
    assert play.asked[-1] == ("close",)


def test_what_never_gets_quiet_is_told_and_judged_by_its_checks():
    scenario = replace(scenario_of(Nudge()), settle=quiet(60, within_s=3))
    play = Play(scenario)

    assert play.run().outcome is Outcome.PREVENTED
    assert play.told("step", name="settle", what="timed_out")


# What breaks in the middle.


def interrupt_in(play: Play, phase: str, error: BaseException) -> None:
    """Raise once, in the middle of a phase, from wherever the runner waits."""
    pending = [error]

    def trouble() -> None:
        if play.phases and play.phases[-1] == phase and pending:
            raise pending.pop()

    play.time.on_pause = trouble


@pytest.mark.parametrize("phase", ["baseline", "run", "settle", "verify"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("stopped")], ids=repr)
def test_an_interruption_recovers_everything_and_is_passed_on(phase: str, error: BaseException):
    play = Play(scenario_of(Nudge("one", lasting=True), Nudge("two")))
    interrupt_in(play, phase, error)

    with pytest.raises(type(error)):
        play.run()

    assert not play.undo_log.open
    injected = [a[1] for a in play.asked if a[0] == "inject"]
    assert [a[1] for a in play.asked if a[0] == "recover"] == injected[::-1]
    assert play.asked[-1] == ("close",)
    assert play.judged().outcome is Outcome.INVALID


def test_where_nothing_is_left_nobody_is_told_to_bring_the_start_state_back():
    play = Play(scenario_of(Nudge("one", lasting=True)), profile={})
    error = Interrupted("stopped", hint="the same command goes on")
    interrupt_in(play, "settle", error)

    with pytest.raises(Interrupted):
        play.run()

    assert error.hint == "the same command goes on"
    assert not [note for note in play.told("note") if "cut short" in note["text"]]


def test_a_stage_has_its_own_times_for_baseline_and_quiet():
    play = Play(scenario_of(Nudge("one")), profile={"baseline_s": 9, "quiet_s": 1})

    play.run()

    begun = {event["name"]: event["t"] for event in play.told("phase")}
    assert 9 * NS <= begun["run"] - begun["baseline"] < 11 * NS
    waits = [e["detail"] for e in play.told("step") if e["name"] == "settle"]
    assert "it has been quiet for 1 s" in waits[0]


@pytest.mark.parametrize("phase", ["run", "settle", "verify"])
def test_whoever_interrupts_is_told_how_to_get_the_start_state_back(phase: str):
    play = Play(scenario_of(Nudge("one", lasting=True)))
    error = Interrupted("stopped", hint="the same command goes on")
    interrupt_in(play, phase, error)
    # The first pause of a run comes before its first step.
    injected_first = play.time.on_pause
    play.time.on_pause = lambda: injected_first() if ("inject", "one") in play.asked else None

    with pytest.raises(Interrupted):
        play.run()

    assert error.hint == "sudo lab reset"
    assert "sudo lab reset" in play.told("note")[-1]["text"]


def test_who_interrupts_before_anything_is_done_needs_no_advice():
    play = Play(scenario_of(Nudge("one")))
    error = Interrupted("stopped", hint="the same command goes on")
    interrupt_in(play, "baseline", error)

    with pytest.raises(Interrupted):
        play.run()

    assert error.hint == "the same command goes on"
    assert not play.told("note")


def test_ctrl_c_during_setup_closes_the_stage():
    play = Play(scenario_of(Nudge()))

    def interrupted(_start: Start) -> None:
        raise KeyboardInterrupt

    play.stage.reset = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        play.run()

    assert play.asked == [("close",)]
    assert not play.seen


def test_ctrl_c_during_recovery_waits_until_all_is_recovered():
    def press_ctrl_c() -> None:
        signal.raise_signal(signal.SIGINT)

    play = Play(scenario_of(Nudge("one"), Nudge("two", on_recover=press_ctrl_c)))

    with pytest.raises(KeyboardInterrupt):
        play.run()

    assert [a[1] for a in play.asked if a[0] == "recover"] == ["two", "one"]
    assert not play.undo_log.open
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_during_teardown_waits_until_the_stage_is_closed():
    play = Play(scenario_of(Nudge()))
    close = play.stage.close

    def pressed() -> None:
        signal.raise_signal(signal.SIGINT)
        close()

    play.stage.close = pressed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        play.run()

    assert play.asked[-1] == ("close",)


def test_a_fault_that_could_not_be_injected_is_recovered_too():
    refused = RequestRefused("no", status=403)
    play = Play(scenario_of(Nudge(inject_error=refused)))

    with pytest.raises(RequestRefused):
        play.run()

    assert ("recover", "nudge") in play.asked
    assert play.judged().outcome is Outcome.INVALID


def test_a_recovery_that_fails_does_not_keep_others_from_being_tried():
    def fail() -> None:
        raise LabError("stuck")

    play = Play(scenario_of(Nudge("one"), Nudge("two", on_recover=fail)))
    verdict = play.run()

    assert ("recover", "one") in play.asked
    assert list(play.undo_log.open.values()) == ["two"]
    assert verdict.outcome is Outcome.INVALID
    assert "two: stuck" in verdict.reasons


def test_an_undo_log_that_cannot_be_written_is_told():
    play = Play(scenario_of(Nudge("one"), Nudge("two")))

    def full(entry: int) -> None:
        raise NoSpace("no space left for the undo log")

    play.undo_log.undone = full  # type: ignore[method-assign]
    verdict = play.run()

    assert [a[1] for a in play.asked if a[0] == "recover"] == ["two", "one"]
    assert any("could not be written" in reason for reason in verdict.reasons)


def test_a_recovery_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(globals(), "BOUNDS", replace(BOUNDS, recovery_s=0.01))
    forever = threading.Event()
    play = Play(scenario_of(Nudge("one"), Nudge("two", on_recover=lambda: bool(forever.wait()))))

    verdict = play.run()
    forever.set()

    assert ("recover", "one") in play.asked
    assert verdict.outcome is Outcome.INVALID
    assert any("two: not recovered within" in reason for reason in verdict.reasons)


@dataclass
class SlowNudge(Nudge):
    """One whose recovery asks for time of its own."""

    recovery_s: float = 60


def test_a_fault_whose_recovery_takes_its_time_is_given_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(globals(), "BOUNDS", replace(BOUNDS, recovery_s=0.01))
    began = threading.Event()
    slow = SlowNudge(on_recover=lambda: bool(began.wait(0.1)))

    verdict = Play(scenario_of(slow)).run()

    assert verdict.outcome is not Outcome.INVALID


def test_a_recovery_that_outlasts_its_own_time_is_told_with_it():
    forever = threading.Event()
    slow = SlowNudge(recovery_s=0.02, on_recover=lambda: bool(forever.wait()))

    verdict = Play(scenario_of(slow)).run()
    forever.set()

    assert any("not recovered within 0.02 s" in reason for reason in verdict.reasons)


def test_a_lost_observer_makes_the_run_invalid():
    play = Play(scenario_of(Nudge("one", lasting=True)))

    def lost() -> None:
        if ("inject", "one") in play.asked:
            raise ObserverLost("another instance answers")

    play.stage.trouble = lost
    verdict = play.run()

    assert verdict.outcome is Outcome.INVALID
    assert verdict.reasons == ("observer lost: another instance answers",)
    assert not play.undo_log.open


def test_an_observer_that_is_lost_when_it_is_to_stop_makes_the_run_invalid():
    play = Play(scenario_of(Nudge()))

    def lost() -> None:
        raise ObserverLost("a worker died")

    play.stage.stop = lost  # type: ignore[method-assign]

    assert play.run().reasons == ("observer lost: a worker died",)


def test_an_observer_that_was_restarted_unnoticed_makes_the_run_invalid():
    play = Play(scenario_of(Nudge()))
    play.run()
    second = {"kind": "stream", "t": play.seen[-1]["t"], "stream": "load", "run": "r"}
    play.seen.append({**second, "instance": "j"})

    assert "the observer was restarted: 2 instances" in play.judged().reasons


def test_an_api_that_is_away_for_ten_seconds_spoils_nothing():
    play = Play(scenario_of(Nudge()))
    play.stage.trouble = away(10, play.time, after_s=10)

    verdict = play.run()

    assert verdict.outcome is Outcome.PREVENTED, verdict.reasons
    assert len(play.told("note")) == 2


def test_a_baseline_is_judged_when_what_was_seen_of_it_has_come():
    scenario = scenario_of(Nudge())
    play = Play(scenario)
    play.stage.trouble = away(scenario.baseline_s + 5, play.time, after_s=1)

    assert play.run().outcome is Outcome.PREVENTED


def test_an_api_that_stays_away_is_an_error_after_recovery():
    play = Play(scenario_of(*(Nudge(f"n{n}", lasting=True) for n in range(9))))
    play.stage.trouble = away(100, play.time, after_s=11)

    with pytest.raises(ClusterUnreachable):
        play.run()

    assert not play.undo_log.open
    assert play.judged().outcome is Outcome.INVALID


def test_a_damaged_event_makes_the_run_invalid_and_is_not_recorded():
    play = Play(scenario_of(Nudge()))
    read = play.stage.read

    def damaged() -> list[Event]:
        return [*read(), {"kind": "request", "t": 1}]

    play.stage.read = damaged  # type: ignore[method-assign]
    verdict = play.run()

    assert verdict.outcome is Outcome.INVALID
    assert not [event for event in play.seen if event["kind"] == "request"]


def test_an_audit_that_does_not_end_makes_the_run_invalid():
    verdict = Play(scenario_of(Nudge()), audits=False).run()

    assert verdict.outcome is Outcome.INVALID
    assert "audit lost: no end of the audit within 10 s" in verdict.reasons


@pytest.mark.parametrize("phase", PHASES)
def test_a_disk_that_is_full_is_an_error_after_recovery(phase: str, tmp_path: Path):
    play = Play(scenario_of(Nudge("one", lasting=True), Nudge("two")))
    play.sink = FillsUp(tmp_path / "history.jsonl", phase)

    with pytest.raises(NoSpace):
        play.run()

    injected = {a[1] for a in play.asked if a[0] == "inject"}
    left = set(play.undo_log.open.values())
    # Only the last line may be missing from a run that came to its end.
    assert left == ({"one"} if phase == "teardown" else set())
    assert {a[1] for a in play.asked if a[0] == "recover"} == injected - left
    assert play.asked[-1] == ("close",)
    stored = History.read(tmp_path / "history.jsonl")
    assert judge(play.scenario, play.variant, stored).outcome is Outcome.INVALID


class FillsUp:
    """A disk that has no space for anything from the beginning of a phase on."""

    def __init__(self, path: Path, phase: str) -> None:
        self._path = path
        self._phase = phase
        self._full = False
        path.touch()

    def append(self, events: Iterable[Event]) -> None:
        told = list(events)
        self._full |= any(e["kind"] == "phase" and e["name"] == self._phase for e in told)
        if self._full:
            raise NoSpace("no space left")
        with Recorder(self._path) as recorder:
            recorder.append(told)


def test_a_stage_that_cannot_be_reset_is_closed_and_its_error_raised():
    play = Play(scenario_of(Nudge()))

    def not_ready(_start: Start) -> None:
        raise LabError("image missing")

    play.stage.reset = not_ready  # type: ignore[method-assign]
    with pytest.raises(LabError, match="image missing"):
        play.run()

    assert play.asked == [("close",)]


def test_an_error_while_closing_is_raised_when_there_is_no_other():
    play = Play(scenario_of(Nudge()))

    def refuses() -> None:
        raise LabError("cannot close")

    play.stage.close = refuses  # type: ignore[method-assign]
    with pytest.raises(LabError, match="cannot close"):
        play.run()


def test_a_listener_is_shown_everything_that_is_recorded():
    play = Play(scenario_of(Nudge()))
    shown: list[Event] = []
    runner.play(
        play.scenario,
        play.variant,
        run="r",
        stage=play.stage,
        sink=play,
        undo_log=play.undo_log,
        listener=shown.extend,
        bounds=BOUNDS,
        clock=play.time.clock(),
    )

    assert shown == play.seen


def test_after_waits_until_the_effect_was_seen():
    slow = Nudge("slow", seen=False)
    steps = (
        Step("one", after("baseline"), slow, observed_within_s=30),
        Step("two", after("one"), Nudge("quick")),
    )
    play = Play(scenario_of(timeline=steps))

    def seen_at_last() -> None:
        if (
            play.phases[-1:] == ["run"]
            and play.time.ns > play.told("phase", name="run")[0]["t"] + 5 * NS
        ):
            slow.seen = True

    play.time.on_pause = seen_at_last
    play.run()

    observed = play.told("fault", name="slow", what="observed")[0]["t"]
    assert play.told("fault", name="quick", what="requested")[0]["t"] >= observed
