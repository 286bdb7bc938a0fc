"""Give a release a password that the database does not take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.faults.effect import after_request
from lab.scenario.history import History

WRONG, RIGHT = "wrong", "right"


class CanSpoilSecret(Protocol):
    """A stage where each release has a password of its own."""

    def spoil_secret(self, release: str) -> None:
        """Make the release's password wrong; tell an event `secret` with `what` "wrong"."""
        ...

    def restore_secret(self, release: str) -> None:
        """Make it right again, and tell so; a second time changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class WrongSecret:
    """Make the password of `release` wrong (SQLSTATE 28P01 for whoever logs in with it).

    Connections that exist go on. Pods that are made from then on have only the wrong one; in
    a pod that runs, a cluster changes the file within a minute or so:
    https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod
    """

    release: str

    @property
    def name(self) -> str:
        return f"wrong secret {self.release}"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return f"give {self.release} a wrong password for the database"

    def undo(self) -> Mapping[str, Any]:
        return {"restore_secret": self.release}

    def inject(self, stage: CanSpoilSecret) -> None:
        stage.spoil_secret(self.release)

    def is_observed(self, history: History) -> bool:
        return any(
            event["release"] == self.release and event["what"] == WRONG
            for event in after_request(history, self.name, "secret")
        )

    def recover(self, stage: CanSpoilSecret) -> None:
        stage.restore_secret(self.release)


@dataclass(frozen=True, slots=True)
class RightSecret:
    """Make the password of `release` right again within the timeline."""

    release: str

    @property
    def name(self) -> str:
        return f"right secret {self.release}"

    @property
    def lasting(self) -> bool:
        return False

    def describe(self) -> str:
        return f"give {self.release} its right password again"

    def undo(self) -> Mapping[str, Any]:
        return {"restore_secret": self.release}

    def inject(self, stage: CanSpoilSecret) -> None:
        stage.restore_secret(self.release)

    def is_observed(self, history: History) -> bool:
        return any(
            event["release"] == self.release and event["what"] == RIGHT
            for event in after_request(history, self.name, "secret")
        )

    def recover(self, stage: CanSpoilSecret) -> None:
        stage.restore_secret(self.release)
