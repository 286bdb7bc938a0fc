"""What does a file say about itself to lab, in comments that goose ignores?

`-- +lab phase=expand reversible=no`: words of the form key=value, in any number of lines.
`-- +lab breaks=v1 because=it reads body`: the reason is the rest of the line. `repairs=v1` says
that a release which an earlier file broke works again. What is said is a claim of the author;
what a file does is measured (`lab.goose.measure`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from lab.goose.errors import BadFile
from lab.goose.parse import lines_of

MARK = "-- +lab"
BECAUSE = re.compile(r"(?:^|\s)because=(.*)")
RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
NUMBER = re.compile(r"[0-9]{1,9}")
SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")


class Phase(StrEnum):
    """Which step of a change a file is."""

    BASE = "base"
    EXPAND = "expand"
    BACKFILL = "backfill"
    RELAX = "relax"
    CONTRACT = "contract"
    RENAME = "rename"
    CONTROL = "control"


class Reversible(StrEnum):
    YES = "yes"
    NO = "no"
    LOSES_DATA = "loses-data"


@dataclass(frozen=True, slots=True)
class Break:
    """A release that does not work any more once the file is applied."""

    release: str
    because: str


@dataclass(frozen=True, slots=True)
class Annotations:
    """None is: not said. `requires_release` and `floor` are numbers of releases."""

    phase: Phase | None = None
    reversible: Reversible | None = None
    requires_release: int | None = None
    floor: int | None = None
    lock_timeout_s: float | None = None
    retries: int | None = None
    breaks: tuple[Break, ...] = ()
    repairs: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """All of it as it is written, by key; of several `breaks` in one, with commas."""


def read_annotations(text: str, *, file: str) -> Annotations:
    """Raises BadFile that names every mistake with its line."""
    reader = Reader()
    for number_of_line, line in enumerate(lines_of(text), start=1):
        reader.line = number_of_line
        mark, _, rest = line.partition(MARK)
        if not mark and rest.startswith((" ", "\t")):
            reader.read(rest)
    if reader.mistakes:
        (first, reason), *others = reader.mistakes
        more = "".join(f"; line {line}: {also}" for line, also in others)
        raise BadFile(reason + more, file=file, line=first)
    return reader.annotations()


def one_of(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    def read(value: str) -> StrEnum:
        try:
            return kind(value)
        except ValueError:
            raise ValueError(f"one of {', '.join(kind)}") from None

    return read


def number(least: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not NUMBER.fullmatch(value) or int(value) < least:
            raise ValueError(f"a number from {least}")
        return int(value)

    return read


def seconds(value: str) -> float:
    if not SECONDS.fullmatch(value) or not float(value):
        raise ValueError("a number of seconds above 0, as 1 or 0.5")
    return float(value)


def releases(value: str) -> tuple[str, ...]:
    found = tuple(value.split(","))
    if not all(map(RELEASE.fullmatch, found)):
        raise ValueError("names of releases, as v1 or v1,v2")
    return found


READ_VALUE: Mapping[str, Callable[[str], Any]] = {
    "phase": one_of(Phase),
    "reversible": one_of(Reversible),
    "requires-release": number(1),
    "floor": number(1),
    "lock-timeout": seconds,
    "retries": number(0),
    "repairs": releases,
}
FIELDS = {"lock-timeout": "lock_timeout_s", "requires-release": "requires_release"}
KNOWN = (*READ_VALUE, "breaks", "because")


@dataclass(slots=True)
class Reader:
    """What the lines read so far say; `line` is the number of the one being read."""

    line: int = 0
    words: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    breaks: list[Break] = field(default_factory=list)
    mistakes: list[tuple[int, str]] = field(default_factory=list)

    def read(self, rest: str) -> None:
        because = BECAUSE.search(rest)
        words = rest[: because.start()] if because else rest
        reason = because[1].strip() if because else None
        broken = [value for key, value in self.pairs(words) if self.take(key, value)]
        if broken or reason is not None:
            self.read_breaks(broken, reason)

    def pairs(self, words: str) -> Iterator[tuple[str, str]]:
        for word in words.split():
            key, equals, value = word.partition("=")
            if key and equals and value:
                yield key, value
            else:
                self.refuse(f"{word!r} is not key=value")

    def take(self, key: str, value: str) -> bool:
        """Keep what `key` says; True for `breaks`, which the rest of the line belongs to."""
        if key == "breaks":
            return True
        if key not in READ_VALUE:
            self.refuse(f"unknown key {key!r} (known are {', '.join(KNOWN)})")
        elif key in self.words:
            self.refuse(f"{key} is given twice")
        else:
            self.words[key] = value
            self.keep_value(key, value)
        return False

    def keep_value(self, key: str, value: str) -> None:
        try:
            self.values[FIELDS.get(key, key)] = READ_VALUE[key](value)
        except ValueError as exc:
            self.refuse(f"{key} must be {exc}, not {value!r}")

    def read_breaks(self, broken: list[str], reason: str | None) -> None:
        if not broken:
            self.refuse("because needs breaks=RELEASE before it on its line")
        elif not reason:
            self.refuse("breaks needs because=REASON behind it on its line")
        else:
            for release in ",".join(broken).split(","):
                self.add_break(release, reason)

    def add_break(self, release: str, reason: str) -> None:
        if not RELEASE.fullmatch(release):
            self.refuse(f"breaks must name releases, as v1 or v1,v2, not {release!r}")
        elif any(each.release == release for each in self.breaks):
            self.refuse(f"breaks={release} is given twice")
        else:
            self.breaks.append(Break(release, reason))

    def refuse(self, reason: str) -> None:
        self.mistakes.append((self.line, reason))

    def annotations(self) -> Annotations:
        words = dict(self.words)
        if self.breaks:
            words["breaks"] = ",".join(each.release for each in self.breaks)
            words["because"] = "; ".join(dict.fromkeys(each.because for each in self.breaks))
        return Annotations(**self.values, breaks=tuple(self.breaks), words=MappingProxyType(words))
