"""In which way did requests fail? The signature tells a predicted failure from any other."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lab.scenario.traffic import Request
from lab.scenario.verdict import SignatureRow


@dataclass(frozen=True, slots=True)
class Signature:
    """Failures of one release with one SQLSTATE, at these endpoints.

    `sqlstate` None: the release failed by itself, and the database had no part in it.
    """

    release: str
    sqlstate: str | None
    endpoints: Collection[str]

    def fits(self, request: Request) -> bool:
        return (
            request.failed
            and request.release == self.release
            and request.sqlstate == self.sqlstate
            and request.endpoint in self.endpoints
        )

    @property
    def label(self) -> str:
        return f"{self.release} x {self.sqlstate or 'no SQLSTATE'}"


def rows(failed: Iterable[Request]) -> tuple[SignatureRow, ...]:
    """Count failures by release, SQLSTATE, endpoint and outcome; the most frequent first."""
    counts = Counter(
        (r.release or "", r.sqlstate or "", r.endpoint, r.outcome) for r in failed if r.failed
    )
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(SignatureRow(*ways, count) for ways, count in ordered)
