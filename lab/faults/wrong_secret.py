"""Give a release a password that the database does not take."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.faults.effect import after_request
from lab.scenario.events import Event
from lab.scenario.history import History

WRONG, RIGHT = "wrong", "right"


class CanSpoilSecret(Protocol):
    """A stage where each release has a password of its own."""

    def spoil_secret(self, release: str) -> None:
        """Make the release's password wrong; tell an event `secret` with `what` "wrong".

        `unseen` of it names running pods whose file was not seen to have changed.
        """
        ...

    def restore_secret(self, release: str) -> None:
        """Make it right again, and tell so; a second time changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class WrongSecret:
    """Make the password of `release` wrong (SQLSTATE 28P01 for whoever logs in with it).

    Connections that exist go on. Pods that are made from then on have only the wrong one, and
    so has the file in each pod that runs: a cluster would change it within a minute or two
    by itself, and is made to look at once by a changed annotation of the pod. A process that
    runs has read its password when it started.
    https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod
    https://kubernetes.io/docs/tasks/configure-pod-container/configure-pod-configmap/#mounted-configmaps-are-updated-automatically
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
        return _has_come(history, self.name, self.release, WRONG)

    def failure(self, history: History) -> str | None:
        return _has_not_come(history, self.name, self.release, WRONG)

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
        return _has_come(history, self.name, self.release, RIGHT)

    def failure(self, history: History) -> str | None:
        return _has_not_come(history, self.name, self.release, RIGHT)

    def recover(self, stage: CanSpoilSecret) -> None:
        stage.restore_secret(self.release)


def _has_come(history: History, fault: str, release: str, what: str) -> bool:
    """Tell whether it was changed, in every pod that runs as well."""
    return any(not event.get("unseen") for event in _told(history, fault, release, what))


def _has_not_come(history: History, fault: str, release: str, what: str) -> str | None:
    for event in _told(history, fault, release, what):
        if unseen := event.get("unseen"):
            return f"the password is {what}, and {', '.join(unseen)} still have another"
    return None


def _told(history: History, fault: str, release: str, what: str) -> Iterator[Event]:
    for event in after_request(history, fault, "secret"):
        if event["release"] == release and event["what"] == what:
            yield event
