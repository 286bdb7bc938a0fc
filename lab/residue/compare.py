"""How do two fingerprints differ, and which differences did a lab make?

A difference is a lab's when it carries a lab's id or one of a lab's directories, or when
it is a sysctl: few others change those, and a kernel setting left behind is the residue
that nobody looks for. Everything else may be the user's own doing in the meantime; it is
named and left at that. Modules load on demand, for whoever needs them first, and cannot
be unloaded safely: they are named too and are never blamed on a lab.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from lab.residue.fingerprint import Facts, Fingerprint, Kind
from lab.residue.names import lab_ids, names_place

EVERYTHING = "everything of this kind"
# Labs that are up share it: what of the host they hold until the last of them goes.
SHARED = "/run/lab"

_HOLDS_MACHINES = {Kind.MACHINE, Kind.UNIT, Kind.CGROUP, Kind.PROCESS, Kind.IMAGE, Kind.LINK}


class Blame(StrEnum):
    LAB = "lab"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Difference:
    """`before` or `after` is None where it was not there."""

    kind: Kind
    what: str
    before: str | None
    after: str | None
    blame: Blame

    @property
    def is_residue(self) -> bool:
        """A lab put it there or changed it, and it is there still."""
        return self.blame is Blame.LAB and self.after is not None


@dataclass(frozen=True, slots=True)
class _Change:
    kind: Kind
    what: str
    before: str | None
    after: str | None

    @property
    def text(self) -> str:
        return "\n".join(filter(None, (self.what, self.before, self.after)))

    @property
    def ids(self) -> set[str]:
        return lab_ids(self.text, machines=self.kind in _HOLDS_MACHINES)


def compare(
    before: Fingerprint, after: Fingerprint, *, living: Collection[str] = ()
) -> list[Difference]:
    """Return what changed, residue first.

    `living` are the ids and directories of other labs that are up: what carries one of
    them is no difference, and what all labs share may be theirs.
    """
    places = {*before.places, *after.places, SHARED}
    same_boot = before.boot == after.boot
    found = [
        Difference(
            change.kind,
            change.what,
            change.before,
            change.after,
            _blame(change, places=places, same_boot=same_boot, alone=not living),
        )
        for kind in Kind
        for change in _changes(kind, before, after)
        if not _belongs_to(change, living)
    ]
    return sorted(found, key=lambda difference: not difference.is_residue)


def _changes(kind: Kind, before: Fingerprint, after: Fingerprint) -> Iterator[_Change]:
    if kind in before.facts and kind in after.facts:
        yield from _changed_facts(kind, before.facts[kind], after.facts[kind])
    elif (kind in before.facts) != (kind in after.facts):
        yield _Change(kind, EVERYTHING, _reading(kind, before), _reading(kind, after))


def _changed_facts(kind: Kind, before: Facts, after: Facts) -> Iterator[_Change]:
    for what in sorted(before.keys() | after.keys()):
        old, new = before.get(what), after.get(what)
        if old == new:
            continue
        # The kernel has a setting for as long as it has the module that reads it.
        came_or_went = kind is Kind.SYSCTL and (old is None or new is None)
        yield _Change(Kind.MODULE if came_or_went else kind, what, old, new)


def _reading(kind: Kind, fingerprint: Fingerprint) -> str:
    if kind in fingerprint.facts:
        return "read"
    return f"not read: {fingerprint.unread.get(kind, 'unknown to this fingerprint')}"


def _belongs_to(change: _Change, labs: Collection[str]) -> bool:
    directories = [mark for mark in labs if mark.startswith("/")]
    return bool(change.ids & set(labs)) or names_place(change.text, directories)


def _blame(change: _Change, *, places: Collection[str], same_boot: bool, alone: bool) -> Blame:
    if change.kind is Kind.MODULE or change.what == EVERYTHING:
        return Blame.UNKNOWN
    if change.kind is Kind.SYSCTL:
        # A boot sets all of them anew.
        return Blame.LAB if same_boot and alone else Blame.UNKNOWN
    if not alone and names_place(change.text, [SHARED]):
        return Blame.UNKNOWN
    carries = bool(change.ids) or names_place(change.text, places)
    return Blame.LAB if carries else Blame.UNKNOWN
