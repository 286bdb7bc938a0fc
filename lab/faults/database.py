"""Take the database away from everybody, and give it back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.faults.effect import after_request
from lab.scenario.history import History


class CanStopDatabase(Protocol):
    """A stage whose PostgreSQL can be shut down, and started with the same data."""

    def stop_database(self) -> None:
        """Shut it down so that it stays down; do not wait for the effect."""
        ...

    def start_database(self, *, wait: bool) -> None:
        """Start it; `wait` returns when it answers. One that runs is fine."""
        ...


@dataclass(frozen=True, slots=True)
class StopDatabase:
    """Shut PostgreSQL down in order (fast: sessions are ended); recovery starts it again.

    https://www.postgresql.org/docs/18/server-shutdown.html
    """

    @property
    def name(self) -> str:
        return "stop database"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return "shut the database down"

    def undo(self) -> Mapping[str, Any]:
        return {"start_database": True}

    def inject(self, stage: CanStopDatabase) -> None:
        stage.stop_database()

    def is_observed(self, history: History) -> bool:
        """A sample of the database got no answer."""
        samples = after_request(history, self.name, "db")
        return any(sample.get("error") for sample in samples)

    def recover(self, stage: CanStopDatabase) -> None:
        stage.start_database(wait=True)


@dataclass(frozen=True, slots=True)
class StartDatabase:
    """Start it again within the timeline; what took it away is still recovered, which is fine."""

    @property
    def name(self) -> str:
        return "start database"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return "start the database again"

    def undo(self) -> Mapping[str, Any]:
        return {"start_database": True}

    def inject(self, stage: CanStopDatabase) -> None:
        stage.start_database(wait=False)

    def is_observed(self, history: History) -> bool:
        """A sample of the database was answered."""
        samples = after_request(history, self.name, "db")
        return any(not sample.get("error") for sample in samples)

    def recover(self, stage: CanStopDatabase) -> None:
        stage.start_database(wait=True)
