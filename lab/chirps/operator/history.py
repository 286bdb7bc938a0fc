"""Which releases were there, and what does each need?

The image of a release holds the code of no other, but its operator asks about others: may I go
back to v1, is a v1 still there? So what must be known of them is written down here once
more; a test holds it against the releases' own modules.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lab.chirps.errors import CannotTell

SPLIT = frozenset(
    {"rename-careful", "rename-expand", "unordered", "backfill-careless", "backfill-careful"}
)
RENAMED = frozenset({"rename-careless", "rename-back"})
LANGUAGE = frozenset({"notnull-naive", "notnull-dropped", "notnull-careful"})


@dataclass(frozen=True, slots=True)
class Needs:
    """What a release's module says: `number` is compared with the database's compat floor.

    `code` is the module; releases may share one. `tracks` are those that the release was written
    for: schema 6 is another one in each. None is any, for who needs no more than the base.
    """

    code: str
    number: int
    required_schema: int
    tracks: frozenset[str] | None = None

    def is_written_for(self, track: str) -> bool:
        return self.tracks is None or track in self.tracks


RELEASES = {
    "v1": Needs("v1", number=1, required_schema=5),
    "v1b": Needs("v1", number=1, required_schema=5),
    "v2-naive": Needs("v2_naive", number=2, required_schema=6, tracks=RENAMED),
    "v2": Needs("v2", number=2, required_schema=6, tracks=SPLIT),
    "v2-lang": Needs("v2_lang", number=2, required_schema=6, tracks=LANGUAGE),
    "v3": Needs("v3", number=3, required_schema=8, tracks=frozenset({"rename-careful"})),
}


def needs_of(release: str) -> Needs:
    """Raises CannotTell for a release that is not in the list."""
    if release not in RELEASES:
        raise CannotTell(f"there is no release {release!r} (there are {', '.join(RELEASES)})")
    return RELEASES[release]


def same_code(release: str, other: str) -> bool:
    """Two names of one code bear and break the same; a name that is unknown is only itself."""
    if release in RELEASES and other in RELEASES:
        return RELEASES[release].code == RELEASES[other].code
    return release == other


def in_need_of(schema: int, releases: Iterable[str | None]) -> tuple[str, ...]:
    """Return those among `releases` that find less than they need on `schema`."""
    names = {each for each in releases if each in RELEASES}
    return tuple(sorted(each for each in names if RELEASES[each].required_schema > schema))
