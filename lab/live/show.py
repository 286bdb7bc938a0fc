"""What is shown, and what may be done about it: what a server asks of whoever has a run."""

from typing import Any, Protocol

from lab.report.frame import Frame


class Show(Protocol):
    """One after the other, never two methods at once."""

    def frame(self) -> Frame | None:
        """Return what is to be shown now; None where nothing has changed since the last time.

        Raises LabError where it cannot go on; the page then says so and asks again.
        """
        ...

    def act(self, what: str, value: Any) -> None:
        """Do what somebody with the token asks for; raises BadInput for what cannot be done."""
        ...

    def notes(self) -> dict[str, Any]:
        """Return what only somebody with the token is shown."""
        ...

    def report(self) -> str | None:
        """Return the page of the run as it stands, None where there is nothing yet."""
        ...
