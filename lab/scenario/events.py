"""What does a line of the history look like?

One JSON object a line. Every line has `kind` and `t`: integer nanoseconds of the
observer's CLOCK_MONOTONIC. Lines of a kind that is not in the table below are kept
and not looked at; a line of a known kind that lacks a field is a damaged line, since
a check that reads a default where nothing was measured would be a wrong verdict.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

Event = Mapping[str, Any]
"""One line of the history."""

NS = 1_000_000_000
"""Nanoseconds in a second."""

_NUMBER = (int, float)
_MAYBE_NUMBER = (int, float, type(None))
_TEXT = (str,)
_MAYBE_TEXT = (str, type(None))
_MAYBE_INT = (int, type(None))
_INT = (int,)
_MAYBE_BOOL = (bool, type(None))
_BOOL = (bool,)
_LIST = (list, tuple)
_OBJECT = (Mapping,)

Fields = Mapping[str, tuple[type, ...]]

_OBSERVED: Mapping[str, Fields] = {
    "stream": {"stream": _TEXT, "run": _TEXT, "instance": _TEXT},
    "closed": {"stream": _TEXT, "lines": _INT},
    "request": {
        "seq": _INT,
        "stream": _TEXT,
        "endpoint": _TEXT,
        "sent": _MAYBE_INT,
        "done": _INT,
        "outcome": _TEXT,
        "status": _MAYBE_INT,
        "sqlstate": _MAYBE_TEXT,
        "release": _MAYBE_TEXT,
        "pod": _MAYBE_TEXT,
        "conn": _MAYBE_INT,
        "reused": _BOOL,
    },
    "session": {
        "seq": _INT,
        "done": _INT,
        "ok": _BOOL,
        "steps": _LIST,
        "ref": _MAYBE_TEXT,
        "chirp": _MAYBE_INT,
    },
    "tick": {"stream": _TEXT, "lag_max_ms": _NUMBER},
    "health": {"lag_max_ms": _NUMBER, "planned": _INT, "cap_reached": _BOOL},
    "pod": {
        "type": _TEXT,
        "name": _TEXT,
        "release": _MAYBE_TEXT,
        "ready": _BOOL,
        "restarts": _INT,
    },
    "deployment": {
        "name": _TEXT,
        "release": _MAYBE_TEXT,
        "replicas": _INT,
        "updated": _INT,
        "available": _INT,
        "generation": _INT,
        "observed": _INT,
        "conditions": _LIST,
    },
    "endpoints": {"endpoints": _LIST},
    "event": {"type": _MAYBE_TEXT, "reason": _MAYBE_TEXT, "object": _TEXT},
    "node": {"name": _TEXT, "ready": _BOOL},
    "job": {"name": _TEXT, "succeeded": _INT, "failed": _INT, "conditions": _LIST},
    "watch": {"resource": _TEXT, "what": _TEXT},
    "schema": {"version": _INT, "bound": _INT},
    "audit": {
        "ref": _MAYBE_TEXT,
        "acked": _BOOL,
        "stored": _INT,
        "readable": _MAYBE_BOOL,
        "release": _MAYBE_TEXT,
        "matches": _MAYBE_BOOL,
    },
    "audit_done": {
        "acked": _INT,
        "lost": _INT,
        "ambiguous": _INT,
        "duplicated": _INT,
        "unreadable": _INT,
        "unread": _INT,
    },
    "invariant": {"name": _TEXT},
}
"""What the observer writes; its streams count their own lines."""

_ADDED: Mapping[str, Fields] = {
    "run": {
        "scenario": _TEXT,
        "variant": _TEXT,
        "load": _OBJECT,
        "facts": _OBJECT,
    },
    "plan": {"steps": _LIST},
    "phase": {"name": _TEXT},
    "step": {"name": _TEXT, "what": _TEXT},
    "fault": {"name": _TEXT, "what": _TEXT},
    "note": {"text": _TEXT},
    "lost": {"what": _TEXT},
    "clock": {"offset": _INT, "bound": _INT},
    # What faults did, as the stage saw it.
    "refused": {"what": _TEXT, "message": _TEXT},
    "hold": {"name": _TEXT, "what": _TEXT, "message": _TEXT},
    "terminated": {"application": _TEXT, "backends": _INT},
    "sql": {"name": _TEXT},
    "eviction": {"pod": _TEXT, "status": _INT, "message": _TEXT},
    "drain": {"node": _TEXT, "what": _TEXT, "message": _TEXT},
    "secret": {"release": _TEXT, "what": _TEXT},
    "answer": {"name": _TEXT, "code": _INT, "told": _OBJECT},
    # What pods told by themselves, asked for by the stage; `heard` says how much of it.
    "log": {
        "pod": _TEXT,
        "release": _MAYBE_TEXT,
        "level": _TEXT,
        "text": _TEXT,
        "count": _INT,
        "last": _INT,
    },
    "metric": {
        "name": _TEXT,
        "labels": _OBJECT,
        "release": _MAYBE_TEXT,
        "pods": _INT,
        "before": _MAYBE_NUMBER,
        "after": _NUMBER,
    },
    "heard": {"what": _TEXT, "whole": _BOOL, "detail": _TEXT},
}
"""What engine and stage write beside it."""

_FIELDS: Mapping[str, Fields] = {**_OBSERVED, **_ADDED}


def is_observed(kind: str) -> bool:
    """Tell whether lines of `kind` come from the observer; kinds not in the table do."""
    return kind not in _ADDED


def problem_with(event: object) -> str | None:
    """Return what is wrong with a line, or None."""
    if not isinstance(event, Mapping):
        return "it is no JSON object"
    kind, t = event.get("kind"), event.get("t")
    if not isinstance(kind, str):
        return "it has no kind"
    if not isinstance(t, int) or isinstance(t, bool):
        return f"it has no time t in integer nanoseconds ({t!r})"
    for name, types in _FIELDS.get(kind, {}).items():
        if name not in event:
            return f"a {kind} without {name!r}"
        if not _fits(event[name], types):
            return f"a {kind} with {name} = {event[name]!r}"
    return None


def _fits(value: object, types: tuple[type, ...]) -> bool:
    # In Python a bool is an int; in the history a count is never true or false.
    if isinstance(value, bool):
        return bool in types
    # NaN compares with nothing, so it would pass every limit.
    return isinstance(value, types) and not (isinstance(value, float) and not isfinite(value))
