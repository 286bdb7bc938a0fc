"""What plays a variant in a demonstration: the lab itself, or a run that was stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lab.errors import InvalidValue
from lab.live.gate import Gate
from lab.live.playhead import Playhead
from lab.live.tape import Tape
from lab.report import stored, view
from lab.report.follow import Follower
from lab.report.view import NO_VERDICT, VariantView

BEFORE_S = 0.001
"""A replay is held so long before what is to come, which is not there yet then."""


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to see now. `held` is the step that waits for the trainer."""

    variants: tuple[VariantView, ...]
    told: Mapping[str, Any]
    name: str
    held: str
    is_over: bool
    clock: Mapping[str, Any] | None
    damage: tuple[str, ...] = ()


class Player(Protocol):
    """Plays one variant after the other."""

    can: tuple[str, ...]
    mode: str

    def begin(self, variant: str) -> None: ...

    def let_on(self) -> None:
        """Let go on what is held."""
        ...

    def act(self, what: str, value: Any) -> None:
        """Pause, and what else it can; raises InvalidValue for what it cannot."""
        ...

    def look(self) -> Look: ...


class Replayed:
    """Plays from a stored run; held before the first fault, or before each with `every`."""

    can: tuple[str, ...] = ("step", "pause", "speed", "seek")
    mode = "demo, replayed"

    def __init__(
        self,
        run: stored.StoredRun,
        now: Callable[[], float],
        *,
        every: bool = False,
        speed: int = 1,
    ) -> None:
        self._run, self._now, self._every, self._speed = run, now, every, speed
        self._tapes = {each.name: Tape(each) for each in run.variants}
        self._done: list[VariantView] = []
        self._tape: Tape | None = None
        self._head = Playhead(0, now())
        self._held = ""
        self._looked: tuple[tuple[Any, ...], Look] | None = None
        self._wholes: dict[str, VariantView] = {}

    def begin(self, variant: str) -> None:
        if self._tape is not None:
            self._done.append(self._whole(self._tape))
        self._tape = self._tapes[variant]
        self._head = Playhead(self._tape.length_s, self._now(), self._speed)
        self._hold(self._tape.faults)

    def _hold(self, faults: Sequence[tuple[float, str]]) -> None:
        """Stand still before the first of `faults`, where there is one."""
        second, self._held = faults[0] if faults else (float("inf"), "")
        self._head.limit_s = second - BEFORE_S

    def _whole(self, tape: Tape) -> VariantView:
        return self._wholes.setdefault(tape.name, tape.whole())

    def let_on(self) -> None:
        assert self._tape is not None
        self._head.move(self._now())
        passed_s = self._head.limit_s + 2 * BEFORE_S
        later = [each for each in self._tape.faults if each[0] > passed_s]
        self._hold(later if self._every else ())

    def act(self, what: str, value: Any) -> None:
        now = self._now()
        match what:
            case "pause":
                self._head.pause(now)
            case "speed" if value in (-1, 1):
                self._head.faster(value, now)
                self._speed = self._head.speed
            case "seek" if type(value) is int and abs(value) <= 3600:
                self._head.seek(value, now)
            case _:
                raise InvalidValue(f"a replay cannot be told to {what!r} {value!r}")

    def look(self) -> Look:
        second, is_over = self._head.move(self._now()), self._head.is_over
        is_held = not is_over and second >= self._head.limit_s
        # Twice a second is as often as anybody looks.
        state = (self._tape, int(second * 2), is_over, is_held, self._head.paused, self._speed)
        if self._looked is None or self._looked[0] != state:
            self._looked = (state, self._look(second, is_held=is_held))
        return self._looked[1]

    def _look(self, second: float, *, is_held: bool) -> Look:
        begun = next((view.begun_as(each.events) for each in self._run.variants), {})
        told = {**begun, **self._run.run}
        if self._tape is None:
            return Look((), told, self._run.name, "", False, None, self._run.damage)
        is_over = self._head.is_over
        now = self._whole(self._tape) if is_over else self._tape.at(second)
        clock = {
            "speed": self._head.speed,
            "paused": self._head.paused,
            "second": round(second),
            "length": round(self._head.length_s),
        }
        held = self._held if is_held else ""
        views = (*self._done, now)
        return Look(views, told, self._run.name, held, is_over, clock, self._run.damage)


class Played:
    """Plays in the lab: what is done waits for `gate`, and is seen in what the run has written."""

    can: tuple[str, ...] = ("step", "pause")
    mode = "demo"

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._follower: Follower | None = None
        self._variant = ""
        self._looked: tuple[tuple[Any, ...], Look] | None = None

    def follow(self, follower: Follower) -> None:
        """The run is written from here on."""
        self._follower = follower

    def begin(self, variant: str) -> None:
        self._variant = variant
        self._gate.begin(variant)

    def let_on(self) -> None:
        self._gate.let_on()

    def act(self, what: str, value: Any) -> None:
        if what != "pause":
            raise InvalidValue(f"a run that goes on cannot be told to {what!r}")
        self._gate.pause()

    def look(self) -> Look:
        is_new = self._follower is not None and self._follower.read()
        state = (self._variant, self._gate.held, self._gate.is_paused, self._follower is None)
        if is_new or self._looked is None or self._looked[0] != state:
            self._looked = (state, self._look())
        return self._looked[1]

    def _look(self) -> Look:
        clock = {"speed": 1, "paused": self._gate.is_paused}
        if self._follower is None:
            return Look((), {}, "", "", False, clock)
        found, told = self._follower.view(), self._follower.told
        now = next((each for each in found.variants if each.name == self._variant), None)
        is_over = now is not None and now.outcome != NO_VERDICT
        held = self._gate.held
        return Look(found.variants, told, found.run, held, is_over, clock, found.damage)
