"""A demonstration: scenes that a trainer steps through, with a room that says what will happen."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from lab.errors import InvalidValue
from lab.live import script
from lab.live.players import Look, Player
from lab.live.script import Kind, Scene
from lab.report import frame, guesses, page, view
from lab.report.frame import Frame
from lab.report.view import VariantView
from lab.scenario.loader import Loaded

Keep = Callable[[dict[str, Any]], object]
"""Is given all guesses whenever there is another one, to be stored."""


class Demo:
    """A show of `variants`, played by `player`."""

    def __init__(
        self, loaded: Loaded, variants: Sequence[str], player: Player, *, keep: Keep
    ) -> None:
        self._loaded, self._player, self._keep = loaded, player, keep
        self._scenes = script.scenes(variants)
        self._place = 0
        self._guesses: dict[str, Any] = {}
        self._is_to_let_on = False
        self._failure: Frame | None = None
        self._shown: tuple[int, int, str] | None = None
        # As long as it is kept its id is nobody else's.
        self._kept: Look | None = None
        # Is set by the thread that plays.
        self._lock = threading.Lock()

    @property
    def scene(self) -> Scene:
        return self._scenes[self._place]

    def fail(self, message: str, hint: str) -> None:
        """Tell the room that nothing more will come."""
        with self._lock:
            self._failure = {"failure": message, "hint": hint}

    def frame(self) -> Frame | None:
        with self._lock:
            if self._failure:
                return self._failure
        look, scene = self._player.look(), self.scene
        state = (id(look), self._place, str(self._guesses))
        if state == self._shown:
            return None
        self._shown, self._kept = state, look
        shown = self._frame(look, scene)
        self._let_on()
        return shown

    def _frame(self, look: Look, scene: Scene) -> Frame:
        views = () if scene.kind is Kind.SITUATION else self._seen(look)
        told = {**look.told, **self._named()}
        shown = frame.frame(
            view.assemble(look.name, told, views, look.damage), active=scene.variant
        )
        held = "" if self._is_to_let_on else look.held
        said = script.audience(scene, self._loaded, look.variants, self._guesses, held)
        return {
            **shown,
            "mode": self._player.mode,
            "can": list(self._player.can),
            "clock": look.clock,
            "scene": said,
            "at": [self._place, len(self._scenes), held, look.is_over],
            "both": scene.kind is Kind.BOTH,
        }

    def _seen(self, look: Look) -> tuple[VariantView, ...]:
        """Return what the room may see: not the answer while it is being asked."""
        if self.scene.kind is not Kind.PREDICT:
            return look.variants
        asked = self.scene.variant
        return tuple(_without_answer(v) if v.name == asked else v for v in look.variants)

    def _named(self) -> dict[str, str]:
        scenario = self._loaded.scenario
        named = {"scenario": scenario.name, "title": scenario.title}
        return {**named, "question": scenario.question}

    def act(self, what: str, value: Any) -> None:
        match what:
            case "step":
                self._step(self._player.look())
            case "guess":
                self._guess(value)
            case _ if what in self._player.can:
                self._player.act(what, value)
            case _:
                raise InvalidValue(f"a demonstration cannot be told to {what!r}")

    def _step(self, look: Look) -> None:
        scene = self.scene
        if scene.kind is Kind.PLAY and not look.is_over:
            if not look.held:
                raise InvalidValue(f"{scene.variant} still runs; its result comes when it is over")
            self._player.let_on()
            return
        if scene.kind is Kind.PREDICT and not look.held:
            raise InvalidValue(f"{scene.variant} is not ready yet: a clean baseline comes first")
        self._place = min(self._place + 1, len(self._scenes) - 1)
        self._enter(self.scene)

    def _enter(self, scene: Scene) -> None:
        if scene.kind is Kind.PREDICT:
            self._player.begin(scene.variant)
        elif scene.kind is Kind.PLAY:
            self._is_to_let_on = True

    def _let_on(self) -> None:
        """Let the first fault come, now that there is a frame with what was foreseen."""
        if self._is_to_let_on:
            self._is_to_let_on = False
            self._player.let_on()

    def _guess(self, value: Any) -> None:
        if self.scene.kind is not Kind.PREDICT:
            raise InvalidValue("the room says what will happen before it does")
        self._guesses[self.scene.variant] = guesses.read(value)
        self._keep(dict(self._guesses))

    def notes(self) -> dict[str, Any]:
        look, scene = self._player.look(), self.scene
        return {
            "scenes": [each.name for each in self._scenes],
            "place": self._place,
            "notes": script.notes(scene, self._loaded),
            "next": self._next(look),
            "asks": self._asks() if scene.kind is Kind.PREDICT else [],
        }

    def _next(self, look: Look) -> str:
        scene = self.scene
        if look.held:
            return f"{look.held} waits for you"
        if scene.kind is Kind.PREDICT:
            return "a clean baseline is being watched"
        if scene.kind is Kind.PLAY and not look.is_over:
            return f"{scene.variant} runs"
        if self._place + 1 < len(self._scenes):
            return f"then: {self._scenes[self._place + 1].name}"
        return "this is the end"

    def _asks(self) -> list[dict[str, Any]]:
        said = self._guesses.get(self.scene.variant, {})
        return [
            {
                "name": q.name,
                "text": q.text,
                "unit": q.unit,
                "most": q.most,
                "said": said.get(q.name),
            }
            for q in guesses.QUESTIONS
        ]

    def report(self) -> str | None:
        look = self._player.look()
        if not look.variants:
            return None
        return page.render(view.assemble(look.name, look.told, self._seen(look), look.damage))


def _without_answer(variant: VariantView) -> VariantView:
    """Return `variant` without what lab itself predicts of it: as if nothing were announced."""
    return replace(variant, forecast=None, claims=())
