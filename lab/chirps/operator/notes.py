"""What does a migration say of itself, in the words that these questions need?"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from lab.chirps.operator.history import RELEASES, same_code
from lab.goose import Migration
from lab.goose.annotations import Break, Phase, Reversible


@dataclass(frozen=True, slots=True)
class Note:
    """`floor` is what the compat floor is after it, None where it moves none; `requires` the
    release number below which no process may run when it begins.

    A file that does not say how it is taken back is not.
    """

    version: int
    file: str
    phase: Phase | None
    reversible: Reversible
    floor: int | None
    requires: int | None
    breaks: tuple[Break, ...]
    repairs: tuple[str, ...] = ()

    @property
    def lowest_release(self) -> int:
        """The lowest number of a release that bears it."""
        return max(self.floor or 0, self.requires or 0)

    def breaks_of(self, release: str) -> tuple[Break, ...]:
        return tuple(each for each in self.breaks if same_code(each.release, release))

    def mends(self, release: str) -> bool:
        return any(same_code(each, release) for each in self.repairs)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def note(migration: Migration) -> Note:
    said = migration.notes
    return Note(
        version=migration.version,
        file=migration.name,
        phase=said.phase,
        reversible=said.reversible or Reversible.NO,
        floor=said.floor,
        requires=said.requires_release,
        breaks=said.breaks,
        repairs=said.repairs,
    )


@dataclass(frozen=True, slots=True)
class Broken:
    """`file` has broken a release, and no later file has repaired it."""

    file: str
    by: Break


def broken_by(notes: Iterable[Note], release: str) -> tuple[Broken, ...]:
    """Return what keeps `release` from working after these files, in this order."""
    found: tuple[Broken, ...] = ()
    for each in notes:
        kept = () if each.mends(release) else found
        found = (*kept, *(Broken(each.file, broken) for broken in each.breaks_of(release)))
    return found


def floor_after(notes: Iterable[Note]) -> int:
    """Return the compat floor that these files leave, in this order; the first one makes it 1."""
    moved = [each.floor for each in notes if each.floor is not None]
    return moved[-1] if moved else 1


def survivors(notes: Iterable[Note], *, track: str, schema: int) -> tuple[str, ...]:
    """Return the releases that work on `schema` when these files of `track` are applied."""
    files = tuple(notes)
    return tuple(
        release
        for release, needs in RELEASES.items()
        if needs.is_written_for(track)
        and needs.required_schema <= schema
        and needs.number >= floor_after(files)
        and not broken_by(files, release)
    )
