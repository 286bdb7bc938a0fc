"""Change the schema of the database while the service runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.scenario.evidence import requested
from lab.scenario.history import History

JOBS = "migrate-"


class CanMigrate(Protocol):
    """A stage that can run migrations."""

    def migrate(self, track: str, to: int | None, release: str) -> None:
        """Start the migration from the image of `release`; do not wait for its end."""
        ...

    def clear_migration(self) -> None:
        """Remove whatever runs migrations. Nothing to remove is fine."""
        ...


@dataclass(frozen=True, slots=True)
class Migrate:
    """Apply the files of `track` up to version `to` (None: all), from the image of `release`.

    A schema cannot be taken back without taking data back: recovering ends the migration
    and leaves what it has committed to the next reset.
    """

    track: str
    to: int | None
    release: str

    @property
    def name(self) -> str:
        return f"migrate {self.track}" + (f" to {self.to}" if self.to is not None else "")

    @property
    def lasting(self) -> bool:
        return True

    def describe(self) -> str:
        until = f"up to version {self.to}" if self.to is not None else "to its end"
        return f"migrate track {self.track} {until}, from the image of {self.release}"

    def undo(self) -> Mapping[str, Any]:
        return {"clear_migration": self.track, "to": self.to}

    def inject(self, stage: CanMigrate) -> None:
        stage.migrate(self.track, self.to, self.release)

    def is_observed(self, history: History) -> bool:
        """The version was committed after the request; without `to`, the Job has succeeded."""
        since = requested(history, self.name)
        if since is None:
            return False
        if self.to is None:
            return any(job["succeeded"] for job in _jobs(history, since))
        return any(
            event["version"] == self.to and event["t"] + event["bound"] >= since
            for event in history.of("schema")
        )

    def failure(self, history: History) -> str | None:
        """A failed Job: the version will not come any more."""
        since = requested(history, self.name)
        for job in _jobs(history, since) if since is not None else ():
            for condition in job["conditions"]:
                if condition.get("type") == "Failed" and condition.get("status") == "True":
                    why = condition.get("message") or condition.get("reason") or "no reason given"
                    return f"job {job['name']} failed: {why}"
        return None

    def recover(self, stage: CanMigrate) -> None:
        stage.clear_migration()


def _jobs(history: History, since: int) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        event
        for event in history.of("job")
        if event["t"] >= since and event["name"].startswith(JOBS)
    )
