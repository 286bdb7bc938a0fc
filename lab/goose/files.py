"""Which migrations are there, in which order?

A file is `NUMBER_name.sql`; the number is its version. Several folders count as one, so a
track can add to what all have in common.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.goose.annotations import Annotations, read_annotations
from lab.goose.errors import BadFile, NoMigrations
from lab.goose.parse import Direction, Script, parse

NUMBER = re.compile(r"\+?[0-9]+")
NEWEST_POSSIBLE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Migration:
    """One file; its statements are read when it runs, as goose does."""

    version: int
    source: Path
    text: str
    notes: Annotations = field(default_factory=Annotations)
    """What it says about itself to lab."""

    @property
    def annotations(self) -> Mapping[str, str]:
        """The same as it is written, by key."""
        return self.notes.words

    @property
    def name(self) -> str:
        """The name of the file without its folder."""
        return self.source.name

    def script(
        self, direction: Direction = Direction.UP, *, environ: Mapping[str, str] = os.environ
    ) -> Script:
        """Raises BadFile with the line when it is not in goose's format."""
        return parse(self.text, direction, file=self.name, environ=environ)


def collect(*folders: Path) -> tuple[Migration, ...]:
    """Return the migrations of all `folders`, oldest first.

    Raises BadFile for a name without a version, for a version that is there twice and for a
    file that cannot be read; NoMigrations when there is none, or a folder is not there.
    """
    found = sorted((read_version(file), file) for file in files_of(folders))
    if not found:
        raise NoMigrations(f"no migration files in {', '.join(map(str, folders))}")
    refuse_duplicates(found)
    return tuple(read(version, file) for version, file in found)


def files_of(folders: tuple[Path, ...]) -> Iterator[Path]:
    for folder in folders:
        if not folder.is_dir():
            raise NoMigrations(f"no folder {folder}")
        yield from folder.glob("*.sql")


def read_version(file: Path) -> int:
    number, separator, _ = file.name.partition("_")
    if not separator or not NUMBER.fullmatch(number):
        raise BadFile("the name must be NUMBER_name.sql", file=file.name)
    version = int(number)
    if not 1 <= version <= NEWEST_POSSIBLE:
        raise BadFile(f"the version must be from 1 to {NEWEST_POSSIBLE}", file=file.name)
    return version


def refuse_duplicates(found: list[tuple[int, Path]]) -> None:
    version, times = Counter(version for version, _ in found).most_common(1)[0]
    if times > 1:
        first, second, *_ = (str(file) for each, file in found if each == version)
        raise BadFile(f"version {version} is also that of {first}", file=second)


def read(version: int, file: Path) -> Migration:
    try:
        text = file.read_bytes().decode()
    except OSError as exc:
        raise BadFile(f"cannot be read: {exc.strerror}", file=file.name) from exc
    except UnicodeDecodeError as exc:
        line = exc.object[: exc.start].count(b"\n") + 1
        raise BadFile("not UTF-8", file=file.name, line=line) from exc
    return Migration(version, file, text, read_annotations(text, file=file.name))
