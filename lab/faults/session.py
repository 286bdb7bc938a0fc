"""Sessions on the database that are not the service's: an analyst's, and ended ones."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.faults.effect import after_request
from lab.scenario.history import History

ANALYST = "analyst/"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


class CanHoldSession(Protocol):
    """A stage on whose database somebody else can work."""

    def hold_session(
        self, name: str, sql: str, *, seconds: float | None, idle_in_transaction: bool
    ) -> None:
        """Begin the session `analyst/<name>` and return; see `HoldSession`.

        What went wrong with it is told as an event `hold` with `what` "failed".
        """
        ...

    def end_session(self, name: str) -> None:
        """End the session `analyst/<name>`, and return when it is gone. None there is fine."""
        ...


class CanTerminateBackends(Protocol):
    """A stage whose database can throw sessions out."""

    def terminate_backends(self, application: str) -> None:
        """End all sessions whose application_name begins so; tell an event `terminated`."""
        ...


@dataclass(frozen=True, slots=True)
class HoldSession:
    """Open a transaction on the database, run `sql`, and keep the transaction open.

    For `seconds`, or with None until it is recovered; then it is rolled back. Meanwhile the
    session is active (it sleeps in a statement), or idle in its transaction. Either way it
    has the locks that `sql` took.

    https://www.postgresql.org/docs/18/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW
    """

    name: str
    sql: str
    seconds: float | None = None
    idle_in_transaction: bool = False

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"a session is called {self.name!r}: use a-z, 0-9 and dashes")

    @property
    def lasting(self) -> bool:
        return False

    @property
    def application(self) -> str:
        """Its application_name, by which the observer's samples know it."""
        return ANALYST + self.name

    def describe(self) -> str:
        how_long = f"for {self.seconds:g} s" if self.seconds is not None else "until recovery"
        how = "idle in its transaction" if self.idle_in_transaction else "busy"
        return f"hold session {self.application} {how} {how_long}: {self.sql}"

    def undo(self) -> Mapping[str, Any]:
        return {"end_session": self.name}

    def inject(self, stage: CanHoldSession) -> None:
        stage.hold_session(
            self.name,
            self.sql,
            seconds=self.seconds,
            idle_in_transaction=self.idle_in_transaction,
        )

    def is_observed(self, history: History) -> bool:
        """A sample of the database has the session, in the state that was asked for."""
        state = "idle in transaction" if self.idle_in_transaction else "active"
        return any(
            session["application"] == self.application and session["state"] == state
            for sample in after_request(history, self.name, "db")
            for session in sample.get("sessions", ())
        )

    def failure(self, history: History) -> str | None:
        for event in after_request(history, self.name, "hold"):
            if event["name"] == self.name and event["what"] == "failed":
                return f"session {self.application}: {event['message']}"
        return None

    def recover(self, stage: CanHoldSession) -> None:
        stage.end_session(self.name)


@dataclass(frozen=True, slots=True)
class TerminateBackends:
    """End the sessions whose application_name begins with `application` (SQLSTATE 57P01).

    https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
    """

    application: str

    @property
    def name(self) -> str:
        return f"terminate {self.application}"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return f"terminate the backends of {self.application or 'everybody'}"

    def undo(self) -> Mapping[str, Any]:
        return {"nothing": self.name}

    def inject(self, stage: CanTerminateBackends) -> None:
        stage.terminate_backends(self.application)

    def is_observed(self, history: History) -> bool:
        return any(event["backends"] for event in self._told(history))

    def failure(self, history: History) -> str | None:
        if any(not event["backends"] for event in self._told(history)):
            return f"there was no backend of {self.application} to terminate"
        return None

    def recover(self, stage: CanTerminateBackends) -> None:
        """Whoever was thrown out comes back by himself."""

    def _told(self, history: History) -> list[Mapping[str, Any]]:
        told = after_request(history, self.name, "terminated")
        return [event for event in told if event["application"] == self.application]
