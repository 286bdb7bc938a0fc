"""An event loop whose time passes only when everybody waits, and then at once."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class Idle(selectors.SelectSelector):
    """Instead of waiting, it moves the clock of `loop` on."""

    loop: "Loop"

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "everybody waits for something that never comes"
        self.loop.now += timeout
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now = 1000.0
        selector = Idle()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Run a scene to its end on fake time."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(scene)
