"""Predictions about the share of requests that fail while nothing changes, and what raises it.

A new connection meets each ready endpoint with the same probability, so if one release fails
every request to some endpoints, the share that fails is its share among the ready endpoints.
Kept connections stay with their pods, so only new ones are counted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lab.scenario import reach, traffic
from lab.scenario.evidence import Window
from lab.scenario.history import History
from lab.scenario.model import Check, Moment
from lab.scenario.signature import Signature
from lab.scenario.traffic import FRESH, Request
from lab.scenario.verdict import CheckResult

SIGMAS = 3
SLACK = 0.02
"""What was due at one end of a span may have been answered beyond it."""
FEWEST = 100
"""Of fewer requests a share says little."""


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment to another; `name` completes "the share that fails ..."."""

    name: str
    begin: Moment
    end: Moment

    def window(self, history: History) -> Window:
        """Return the span. Raises MissingEvidence."""
        return Window(self.begin.at(history), self.end.at(history))


def share_fails(signature: Signature, span: Span) -> Check:
    """In `span` as large a share fails with the signature as meets the release."""
    name = f"share that fails {span.name}"

    def judge(history: History) -> CheckResult:
        window = span.window(history)
        predicted, due = (
            _share_met(history, signature.release, window),
            _due(history, signature, window),
        )
        measured = _share_failed(signature, due)
        allowed = SLACK + SIGMAS * _deviation(predicted, len(due))
        return CheckResult(
            name=name,
            ok=abs(measured - predicted) <= allowed if len(due) >= FEWEST else None,
            claim=f"{span.name} as many new connections fail as meet {signature.release}",
            predicted=round(predicted, 3),
            measured=measured,
            formula=f"share of {signature.release} among the ready endpoints, over"
            f" {window.seconds:.1f} s, from {span.begin.sentence} to {span.end.sentence}",
            tolerance=f"+- {allowed:.3f}: {SLACK:g} + {SIGMAS} standard deviations",
            detail=f"{len(due)} requests",
        )

    return Check(name, judge)


def gets_worse(signature: Signature, before: Span, after: Span) -> Check:
    """A larger share fails in the one span than in the other, by more than chance makes."""
    name = f"more fail {after.name} than {before.name}"

    def judge(history: History) -> CheckResult:
        earlier = _due(history, signature, before.window(history))
        later = _due(history, signature, after.window(history))
        was, became = _share_failed(signature, earlier), _share_failed(signature, later)
        by_chance = SIGMAS * math.hypot(
            _deviation(was, len(earlier)), _deviation(became, len(later))
        )
        enough = min(len(earlier), len(later)) >= FEWEST
        return CheckResult(
            name=name,
            ok=became - was > max(by_chance, SLACK) if enough else None,
            claim=f"a larger share of new connections fails {after.name} than {before.name}",
            predicted=f"more than {was:.3f}",
            measured=became,
            formula="failures with the signature / requests to its endpoints, in each span",
            tolerance=f"by more than {max(by_chance, SLACK):.3f}, which chance could make",
            detail=f"{len(earlier)} requests {before.name}, {len(later)} {after.name}",
        )

    return Check(name, judge)


def _due(history: History, signature: Signature, window: Window) -> Sequence[Request]:
    return [
        request
        for request in traffic.requests(history, window)
        if request.stream == FRESH and request.endpoint in signature.endpoints
    ]


def _share_failed(signature: Signature, due: Sequence[Request]) -> float:
    return sum(map(signature.fits, due)) / len(due) if due else 0.0


def _share_met(history: History, release: str, window: Window) -> float:
    """Return the mean share of `release` among the ready endpoints. Raises MissingEvidence."""
    # A sum of parts may come out a rounding above the whole.
    return min(1.0, reach.outage_seconds(history, release, window) / window.seconds)


def _deviation(share: float, of: int) -> float:
    return math.sqrt(share * (1 - share) / of) if of else 1.0
