"""What does the directory of a run hold, as far as it can be read?

It is laid out as lab.store says. Of run.json are read, all optional: `scenario`, `title`,
`question`, the guide's `page`, `lesson`, `safe`, `unsafe` and `evidence` as lab.scenario.guide
has them, `stage`, `distribution`, `version`, `clock`, `lab` (its name). What it does not tell
is taken from the first line of the first history.

A run that was killed, or a disk that was full, leaves a history that ends anywhere. A verdict
refuses such a history; a report shows what can be read and tells what cannot, one sentence
each.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.errors import HistoryDamaged, NoSuchRun
from lab.report.clean import clean
from lab.scenario.events import Event, problem_with
from lab.scenario.verdict import Verdict
from lab.store import FORMAT, GUESSES, HISTORY, RUN, VERDICT

# The two that make the comparison come first; proofs follow in the order of their names.
_FIRST = ("careless", "careful")

# No clock counts further, and no chart can show it.
_LATEST = 2**62


@dataclass(frozen=True, slots=True)
class StoredVariant:
    """`verdict` is None when there is none to be read; `damage` says what could not be read."""

    name: str
    events: tuple[Event, ...]
    verdict: Verdict | None
    damage: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredRun:
    """`name` is the directory's own: the moment the run began, as 20261125T013000Z."""

    name: str
    run: Mapping[str, Any]
    variants: tuple[StoredVariant, ...]
    damage: tuple[str, ...]
    guesses: Mapping[str, Any] = field(default_factory=dict)


def load(directory: Path) -> StoredRun:
    """Read a run. Raises NoSuchRun where there is none, HistoryDamaged where it has no history."""
    if not directory.is_dir():
        raise NoSuchRun(f"no run at {str(directory)!r}", hint="lab report list")
    run, damage = load_about(directory)
    # Resolved, because `latest` is a link and the page must not depend on how it was asked for.
    return StoredRun(
        name=directory.resolve().name,
        run=run,
        variants=tuple(_load_variant(each) for each in _variants(directory)),
        damage=damage,
        guesses=load_guesses(directory),
    )


def load_guesses(directory: Path) -> Mapping[str, Any]:
    """Return what a room said, by variant; nothing where it said nothing that can be read."""
    return _load_object(directory / GUESSES)[0] or {}


def _variants(directory: Path) -> list[Path]:
    found = [each for each in directory.iterdir() if (each / HISTORY).is_file()]
    if not found:
        raise HistoryDamaged(f"run {str(directory)!r} holds no history", hint=f"ls -l {directory}")
    return sorted(found, key=lambda each: order(each.name))


def order(variant: str) -> tuple[int, str]:
    """Return what variants are sorted by."""
    return (_FIRST.index(variant) if variant in _FIRST else len(_FIRST)), variant


def _load_variant(directory: Path) -> StoredVariant:
    events, damage = read_history((directory / HISTORY).read_bytes())
    verdict, unread = load_verdict(directory)
    return StoredVariant(directory.name, events, verdict, (*damage, *unread))


def load_verdict(variant: Path) -> tuple[Verdict | None, tuple[str, ...]]:
    """Return the verdict of the variant in that directory, or why there is none to be read."""
    told, unread = _load_object(variant / VERDICT)
    if told is None:
        return None, unread
    try:
        return Verdict.from_json(told), ()
    except (ValueError, TypeError, LookupError):
        return None, (f"{VERDICT} is no verdict",)


def load_about(directory: Path) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return what run.json tells, and a sentence for what cannot be understood of it."""
    told, damage = _load_object(directory / RUN)
    newer = told.get("format") if told else None
    if isinstance(newer, int) and newer > FORMAT:
        damage += (
            f"the run was written by a newer lab (format {newer}, this one knows {FORMAT}): "
            "something of it may be missing here",
        )
    return told or {}, damage


def _load_object(path: Path) -> tuple[Mapping[str, Any] | None, tuple[str, ...]]:
    if not path.is_file():
        return None, (f"{path.name} is missing",)
    found = _parse_json(path.read_bytes())
    if isinstance(found, dict):
        return found, ()
    return None, (f"{path.name} cannot be read",)


def read_history(content: bytes) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    """Return the events that can be read, and a sentence for each thing that cannot."""
    end = content.rfind(b"\n") + 1
    events, broken, count = read_lines(content[:end])
    return tuple(events), tuple(_tell_damage(events, broken, count, cut=end < len(content)))


def read_lines(content: bytes) -> tuple[list[Event], list[int], int]:
    """Return the events of whole lines, the numbers of damaged ones from 1, and how many lines."""
    events: list[Event] = []
    broken: list[int] = []
    lines = content.split(b"\n")[:-1]
    for place, line in enumerate(lines, start=1):
        event = _parse_json(line)
        if problem_with(event) or not _is_in_time(event):
            broken.append(place)
        else:
            events.append(event)
    return events, broken, len(lines)


def _parse_json(text: bytes) -> Any:
    """Return what `text` holds, None where it is no JSON."""
    try:
        return _DECODER.decode(text.decode())
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    # Python reads NaN and Infinity, a browser does not.
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _is_in_time(event: Event) -> bool:
    done = event.get("done", 0)
    return abs(event["t"]) < _LATEST and isinstance(done, int) and abs(done) < _LATEST


def _tell_damage(events: list[Event], broken: list[int], total: int, *, cut: bool) -> Iterator[str]:
    if cut:
        yield "the history ends in the middle of a line: its writer was stopped"
    yield from tell_broken(broken, total)
    begun = {clean(each.get("stream")) for each in events if each["kind"] == "stream"}
    closed = {clean(each.get("stream")) for each in events if each["kind"] == "closed"}
    if left_open := sorted(begun - closed):
        yield f"never closed, so perhaps incomplete: {', '.join(left_open)}"


def tell_broken(broken: Sequence[int], total: int) -> Iterator[str]:
    if broken:
        yield f"{len(broken)} of {total} lines of the history are damaged, first line {broken[0]}"
