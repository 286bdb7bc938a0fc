"""Is one of these secrets in one of these places, as it is or in base64?

A place is what may never hold a secret: whether a file is one is for who collects to say.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

# What a secret, and base64 of either alphabet, is written with. A shorter one would be found
# in what has nothing to do with it.
WORD = re.compile(rb"[A-Za-z0-9+/_-]{16,}")

Place = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Secret:
    """Bytes nobody but their owner may see: one word of WORD. `name` says whose they are."""

    name: str
    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not WORD.fullmatch(self.value):
            raise ValueError(f"{self.name} is too short or too strange to be searched for")


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """A secret's name, where it is, and how it is written there; never the secret itself."""

    secret: str
    where: str
    form: str


def find_leaks(secrets: Iterable[Secret], places: Iterable[Place]) -> list[Leak]:
    """Return every leak once; reads each place once, and keeps none of them."""
    finder = _Finder(tuple(secrets))
    return sorted({leak for where, content in places for leak in finder.look(where, content)})


@dataclass
class _Finder:
    """Logs repeat themselves, so that a word found clean is not searched again."""

    secrets: tuple[Secret, ...]
    clean: set[bytes] = field(default_factory=set)

    @cached_property
    def needles(self) -> dict[bytes, tuple[str, str]]:
        return {
            needle: (secret.name, form)
            for secret in self.secrets
            for needle, form in forms(secret.value)
        }

    def look(self, where: str, content: bytes) -> list[Leak]:
        fresh = words(content) - self.clean
        text = b"\n".join(fresh)
        found = [
            Leak(name, where, form)
            for needle, (name, form) in self.needles.items()
            if needle in text
        ]
        if not found:
            self.clean |= fresh
        return found


def words(content: bytes) -> set[bytes]:
    """Return what could hold a secret, also where base64 was broken into lines."""
    return {*WORD.findall(content), *WORD.findall(content.translate(None, b"\r\n"))}


def forms(value: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield the ways in which a value is written: as it is, and inside of base64.

    In base64 of a text around it, three bytes are four characters, so that it looks different
    for each of three places where it can begin; characters it shares with neighbours are cut.
    """
    yield value, "as it is"
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + value)
        whole = (shift + len(value)) // 3 * 4
        needle = encoded[(0, 2, 3)[shift] : whole]
        yield needle, "in base64"
        yield needle.translate(bytes.maketrans(b"+/", b"-_")), "in base64"
