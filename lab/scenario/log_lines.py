"""Which lines of a pod's log may tell an operator something, and which of them say the same?

A line is kept when its level is warning or above, or when it names a SQLSTATE or a version of
the schema. Lines that differ in nothing but the time, or in a time that was measured, are one
message that was said so many times. All text is what somebody's program wrote: it is cut to a
length and kept as text, and whoever shows it sees to it that it does no harm.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

LOUD = ("warning", "error", "critical", "fatal")
MOST = 60
"""Different messages that are kept of a pod; the earliest."""
LONGEST = 400
CUT = "..."

# What every line has, what is another one in every line, and what is said by other means.
_LEFT_OUT = frozenset(("at", "level", "event", "pod", "release", "path", "port", "trace"))
# Beside the word itself: as `explain` puts it behind a message, and as a worker names it.
_SQLSTATE = re.compile(
    r"(?:(?i:sqlstate)\W{0,3}|\(|\bfailure=)(?=[0-9A-Z]*[0-9])([0-9A-Z]{5})(?![0-9A-Za-z])"
)
_VERSION = re.compile(r"\b(?:schema|version)\b\D{0,20}\d", re.IGNORECASE)
_PLAIN_ERROR = re.compile(r"(error|critical|fatal|warning)\b", re.IGNORECASE)

Entry = tuple[float | None, str]
"""A line, and when it was written in seconds of Unix time, where that is known beside it."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message: `level` "" where the line has none, times in seconds of Unix time."""

    level: str
    text: str
    first_s: float
    last_s: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class Gathered:
    """Messages, the earliest first, and how many lines there was no room for."""

    said: tuple[Said, ...]
    left_out: int = 0


def gather(entries: Iterable[Entry], *, since_s: float, most: int = MOST) -> Gathered:
    """Return what was said from `since_s` on, at most `most` different messages."""
    found: dict[tuple[str, str], Said] = {}
    left_out = 0
    for said in _worth_keeping(entries, since_s):
        key = (said.level, said.text)
        if known := found.get(key):
            found[key] = replace(known, last_s=said.last_s, count=known.count + 1)
        elif len(found) < most:
            found[key] = said
        else:
            left_out += 1
    return Gathered(tuple(sorted(found.values(), key=lambda each: each.first_s)), left_out)


def _worth_keeping(entries: Iterable[Entry], since_s: float) -> Iterator[Said]:
    """A line without a time of its own, as of a traceback, has that of the one before it."""
    before_s = None
    for beside_s, line in entries:
        said = _read(line)
        at_s = _time_of(said) or beside_s or before_s
        before_s = at_s
        if at_s is not None and at_s < since_s:
            continue
        level, text = _level_of(said, line), _text_of(said, line)
        if level in LOUD or names_sqlstate(text) or names_version(text):
            moment = since_s if at_s is None else at_s
            yield Said(level, text, moment, moment)


def _read(line: str) -> Mapping[str, Any]:
    """Return the fields of a line in JSON; none of what is none."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _time_of(said: Mapping[str, Any]) -> float | None:
    try:
        return datetime.fromisoformat(said["at"]).timestamp()
    except (LookupError, TypeError, ValueError, OverflowError):
        return None


def _level_of(said: Mapping[str, Any], line: str) -> str:
    if said:
        return str(said.get("level") or "")[:LONGEST].lower()
    found = _PLAIN_ERROR.match(line)
    return found[1].lower() if found else ""


def _text_of(said: Mapping[str, Any], line: str) -> str:
    """Return the message in one line: the event, and what was told with it."""
    if not said:
        return _cut(line.strip())
    # In one order, since a program may write its fields in another one each time it is started.
    known = {name: _lasting(value) for name, value in sorted(said.items())}
    told = (f"{name}={_show(value)}" for name, value in known.items() if _is_told(name, value))
    cause = str(said.get("trace") or "").strip().rpartition("\n")[2]
    return _cut(" ".join(filter(None, (str(said.get("event") or ""), *told, cause))))


def _lasting(value: object) -> object:
    """Leave out fractions: times that were measured, which make each line another message."""
    if isinstance(value, list):
        return [_lasting(each) for each in value]
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items() if not isinstance(each, float)}
    return None if isinstance(value, float) else value


def _is_told(name: str, value: object) -> bool:
    return name not in _LEFT_OUT and value is not None


def _show(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"' if " " in value else value
    return json.dumps(value)


def _cut(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= LONGEST else one_line[: LONGEST - len(CUT)] + CUT


def names_sqlstate(text: str) -> str | None:
    """Return the first SQLSTATE that a message names, or None."""
    found = _SQLSTATE.search(text)
    return found[1] if found else None


def names_version(text: str) -> bool:
    """Tell whether a message names a version of the schema."""
    return bool(_VERSION.search(text))
