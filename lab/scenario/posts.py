"""Which chirps did the service acknowledge, and what became of them?

A chirp is acknowledged when the whole answer to its create came and said so, be it a
request of its own or a step of a session.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lab.scenario import traffic
from lab.scenario.events import Event
from lab.scenario.evidence import Window
from lab.scenario.history import History

CREATE = "create_chirp"


@dataclass(frozen=True, slots=True)
class Post:
    """An acknowledged chirp by the client's own name of it; from `t` to `done` it was asked."""

    ref: str
    t: int
    done: int

    def is_in(self, window: Window) -> bool:
        """Tell whether it may have been acknowledged in `window`; of a session, by its whole."""
        return self.t < window.end and self.done >= window.begin


def acknowledged(history: History) -> tuple[Post, ...]:
    return history.derive(_acknowledged)


def _acknowledged(history: History) -> tuple[Post, ...]:
    return (*_of_requests(history), *_of_sessions(history))


def _of_requests(history: History) -> Iterator[Post]:
    for request in traffic.requests(history):
        if request.endpoint == CREATE and not request.failed and request.ref is not None:
            yield Post(request.ref, request.t, request.done)


def _of_sessions(history: History) -> Iterator[Post]:
    for session in history.of("session"):
        if session["ref"] is not None and any(map(_is_acknowledged, session["steps"])):
            yield Post(session["ref"], session["t"], session["done"])


def _is_acknowledged(step: Event) -> bool:
    return step.get("endpoint") == CREATE and step.get("outcome") == traffic.OK


def fates(history: History) -> Mapping[str, int]:
    """Count what the audit found, line by line, under the names that its sum has.

    `ambiguous` is stored and was not acknowledged; `unread` was acknowledged and stored, and
    the service did not say whether it can read it.
    """
    return history.derive(_fates)


def _fates(history: History) -> Mapping[str, int]:
    lines = history.of("audit")
    acked = [line for line in lines if line["acked"]]
    kept = [line for line in acked if line["stored"]]
    return {
        "acked": len(acked),
        "lost": len(acked) - len(kept),
        "ambiguous": sum(1 for line in lines if line["stored"] and not line["acked"]),
        "duplicated": sum(1 for line in lines if line["stored"] > 1),
        "unreadable": sum(1 for line in acked if False in (line["readable"], line["matches"])),
        "unread": sum(1 for line in kept if line["readable"] is None),
    }
