"""Change the schema of the database while the service runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lab.faults.effect import after_request
from lab.scenario.events import Event
from lab.scenario.evidence import requested
from lab.scenario.history import History


class CanMigrate(Protocol):
    """A stage that can run migrations."""

    def migrate(
        self,
        track: str,
        to: int | None,
        release: str,
        *,
        options: Sequence[str] = (),
        job: str = "",
    ) -> None:
        """Start the migration from the image of `release`; do not wait for its end.

        `options` are those of `chirps migrate up`; `job` is what it is called ("": after
        track and version), and one of that name from before is removed first.
        """
        ...

    def clear_migration(self) -> None:
        """Remove whatever runs migrations. Nothing to remove is fine."""
        ...


@dataclass(frozen=True, slots=True)
class Migrate:
    """Apply the files of `track` up to version `to` (None: all), from the image of `release`.

    `options` are those of `chirps migrate up` (("--lock-timeout", "1"), ...). `crash` is where
    the program kills itself (VERSION:PLACE:WHEN, `lab.goose.crash`). A Job that may fail, as
    one that crashes does, is observed when it has ended either way. The same migration a
    second time is another `attempt`.

    A schema cannot be taken back without taking data back: recovering ends the migration
    and leaves what it has committed to the next reset.
    """

    track: str
    to: int | None
    release: str
    options: tuple[str, ...] = ()
    crash: str = ""
    may_fail: bool = False
    attempt: int = 1

    @property
    def name(self) -> str:
        until = f" to {self.to}" if self.to is not None else ""
        return f"migrate {self.track}{until}{self._again(' (attempt {})')}"

    @property
    def lasting(self) -> bool:
        return True

    @property
    def job(self) -> str:
        """What its Job is called."""
        until = f"-{self.to}" if self.to is not None else ""
        return f"migrate-{self.track}{until}{self._again('-try{}')}"

    def describe(self) -> str:
        until = f"up to version {self.to}" if self.to is not None else "to its end"
        told = f", with {' '.join(self.options)}" if self.options else ""
        dies = f", and kill it at {self.crash}" if self.crash else ""
        return f"migrate track {self.track} {until}, from the image of {self.release}{told}{dies}"

    def undo(self) -> Mapping[str, Any]:
        return {"clear_migration": self.track, "to": self.to}

    def inject(self, stage: CanMigrate) -> None:
        crash = ("--crash-at", self.crash) if self.crash else ()
        options = (*self.options, *crash)
        stage.migrate(self.track, self.to, self.release, options=options, job=self.job)

    def is_observed(self, history: History) -> bool:
        """The version was committed after the request; without `to`, the Job has succeeded."""
        if self._is_expected_to_end:
            return any(_has_ended(job) for job in self._jobs(history))
        if self.to is None:
            return any(job["succeeded"] for job in self._jobs(history))
        since = requested(history, self.name)
        return since is not None and any(
            event["version"] == self.to and event["t"] + event["bound"] >= since
            for event in history.of("schema")
        )

    def failure(self, history: History) -> str | None:
        """A failed Job: the version will not come any more."""
        if self._is_expected_to_end:
            return None
        for job in self._jobs(history):
            if failed := _failed(job):
                why = failed.get("message") or failed.get("reason") or "no reason given"
                return f"job {job['name']} failed: {why}"
        return None

    def recover(self, stage: CanMigrate) -> None:
        stage.clear_migration()

    @property
    def _is_expected_to_end(self) -> bool:
        return self.may_fail or bool(self.crash)

    def _again(self, text: str) -> str:
        return text.format(self.attempt) if self.attempt > 1 else ""

    def _jobs(self, history: History) -> tuple[Event, ...]:
        jobs = after_request(history, self.name, "job")
        return tuple(job for job in jobs if job["name"] == self.job)


def _has_ended(job: Event) -> bool:
    return bool(job["succeeded"]) or _failed(job) is not None


def _failed(job: Event) -> Mapping[str, Any] | None:
    """Return the condition Failed when it is true.

    https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-backoff-failure-policy
    """
    for condition in job["conditions"]:
        if condition.get("type") == "Failed" and condition.get("status") == "True":
            found: Mapping[str, Any] = condition
            return found
    return None
