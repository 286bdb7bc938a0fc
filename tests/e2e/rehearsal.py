"""Play one fault on a stage without a scenario: request it, see its effect, take it back."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab.scenario.history import History
from lab.scenario.load import Load
from lab.scenario.model import Start
from lab.scenario.stage import Fault, MayFail

EVERY_S = 0.1


@dataclass(slots=True)
class Rehearsal:
    """A stage that was reset and has its load and watchers on, and all that was seen so far."""

    stage: Any
    history: History = field(default_factory=History)

    @classmethod
    def begin(cls, stage: Any, run: str, *, start: Start | None = None, rate: float = 30) -> Any:
        stage.reset(start or Start())
        stage.start(run, Load(rate=rate, seed=1))
        told = {"scenario": "rehearsal", "variant": run, "load": {}, "facts": dict(stage.facts)}
        rehearsal = cls(stage)
        rehearsal.history.add([{"kind": "run", "t": stage.now(), **told}])
        # A first look at everything, so that what comes later is news.
        rehearsal.wait(
            lambda: rehearsal.history.of("db") and rehearsal.history.of("endpoints"), within_s=20
        )
        return rehearsal

    def inject(self, fault: Fault, *, within_s: float = 60) -> None:
        """Inject it and return when its effect was seen."""
        request = {"kind": "fault", "t": self.stage.now(), "name": fault.name}
        self.history.add([{**request, "what": "requested", "detail": fault.describe()}])
        fault.inject(self.stage)
        seen = self.wait(lambda: self._is_seen(fault), within_s=within_s)
        assert seen, f"{fault.name}: no effect within {within_s:g} s"

    def recover(self, fault: Fault) -> float:
        """Take it back, twice; return how many seconds the first time took."""
        began = time.monotonic()
        fault.recover(self.stage)
        took = time.monotonic() - began
        fault.recover(self.stage)
        self.look()
        return took

    def look(self) -> None:
        self.history.add(self.stage.read())

    def wait(self, condition: Callable[[], object], *, within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(EVERY_S)
            self.look()
        return True

    def serves(self, *, within_s: float = 30) -> bool:
        """Tell whether requests that are sent from now on succeed, a good second of them."""
        since = self.stage.now()

        def is_fine() -> bool:
            sent = [each for each in self.history.of("request") if each["t"] >= since]
            return len(sent) > 40 and all(each["outcome"] == "ok" for each in sent[-40:])

        return self.wait(is_fine, within_s=within_s)

    def answers(self, *, within_s: float = 30) -> bool:
        """Tell whether a sample of the database is answered that is taken from now on."""
        since = self.stage.now()
        return self.wait(
            lambda: any(
                "error" not in each for each in self.history.of("db") if each["t"] >= since
            ),
            within_s=within_s,
        )

    def close(self) -> None:
        self.stage.stop()
        self.stage.close()

    def _is_seen(self, fault: Fault) -> bool:
        if isinstance(fault, MayFail):
            assert not (failure := fault.failure(self.history)), failure
        return fault.is_observed(self.history)
