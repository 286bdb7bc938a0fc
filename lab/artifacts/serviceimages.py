"""Pack the images of the sample service, its database and its observer.

The upper layers hold code of lab itself, taken from its packages as files: nothing
of them is imported here. All releases of the service share a base, the libraries
and most of their code; on top a release has its own module and none of another's,
so no release can answer with code that is not its own.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts import images, wheels
from lab.artifacts.images import Image, Layer, Packer, layer_of_tree, write_archive
from lab.artifacts.postgresprograms import PostgresPrograms
from lab.artifacts.pythonbase import PythonBase
from lab.artifacts.pythondeps import PythonDeps
from lab.artifacts.recipe import (
    Artifact,
    Recipe,
    Workshop,
    architecture,
    digest_files,
    digest_text,
)
from lab.artifacts.servicecode import CODE, compile_code, digest_code
from lab.errors import BuildFailed
from lab.files import give_to, make_dir, write_json

DIRECTORY = "usr/share/lab/images"
RELEASES_FOLDER = f"{CODE}/lab/chirps/releases"

RELEASES = {
    "v1": "v1",
    "v1b": "v1",
    "v2-naive": "v2_naive",
    "v2-lang": "v2_lang",
    "v2": "v2",
    "v3": "v3",
}
"""The module of the service's releases/ that each release runs."""

OBSERVER = "lab.local/observer:1"
POSTGRES = "lab.local/postgres:18"
POSTGRES_DATA = "/var/lib/postgresql/data"
POSTGRES_ENTRYPOINT = "usr/local/bin/postgres-entrypoint"
UNPRIVILEGED = "1000:1000"
VARIABLES = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": f"/{CODE}",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """The layers that images are put together from."""

    artifacts: Mapping[str, Layer]
    """The whole of each artifact that is needed, by its name."""
    code: Layer
    """The packages of lab below /opt/lab, compiled; empty where none are asked for."""


@dataclass(frozen=True, slots=True)
class ServiceImages:
    """A recipe: one archive that a node imports, and beside it the ids of its images."""

    name: str
    archive: str
    """Name of the archive without its suffix; `<archive>.json` holds the id of each tag."""
    needs: tuple[str, ...]
    packages: tuple[str, ...]
    """Packages of lab whose files it holds."""
    assemble: Callable[[Parts], tuple[Image, ...]]

    @property
    def owned_by_root(self) -> bool:
        return False

    def inputs(self) -> Mapping[str, str]:
        packing = "".join(Path(file).read_text() for file in (__file__, images.__file__))
        return {
            "architecture": architecture(),
            "archive": self.archive,
            "code": digest_code(self.packages),
            "packing": digest_text(packing),
            **digest_files(wheels.REQUIREMENTS),
        }

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        owner = workshop.paths.caller
        output = make_dir(workshop.tree / DIRECTORY, owner=owner)
        with workshop.progress.task(f"Packing the images of {self.archive}"):
            parts = Parts(
                {need: layer_of_tree(workshop.needs[need].tree) for need in self.needs},
                compile_code(self.packages, workshop),
            )
            target = output / f"{self.archive}.tar"
            packer = Packer(workshop.scratch)
            assembled = self.assemble(parts)
            ids = write_archive(target, assembled, architecture=architecture(), packer=packer)
            target.chmod(0o644)
            give_to(target, owner)
            write_json(output / f"{self.archive}.json", ids, owner=owner, mode=0o644)
        return {}


def service_recipes() -> tuple[Recipe, ...]:
    """Return all recipes of the sample service; what takes long does not change with its code."""
    python = ("pythonbase", "pythondeps")
    chirps, observer = ("chirps", "goose"), ("observer",)
    return (
        PythonBase(),
        PythonDeps(),
        PostgresPrograms(),
        ServiceImages("chirps-images", "chirps", python, chirps, chirps_images),
        ServiceImages("observer-images", "observer", python, observer, observer_images),
        ServiceImages("postgres-images", "postgres", ("pythonbase", "postgres"), (), pg_images),
    )


def image_ids(artifacts: Mapping[str, Artifact]) -> dict[str, dict[str, str]]:
    """Return the id of each tag by archive: `{"postgres.tar": {"lab.local/x:1": "sha256:..."}}`.

    A node that has a tag with this id has exactly this image. Artifacts without
    images of the service are passed over.
    """
    directories = [artifact.tree / DIRECTORY for artifact in artifacts.values()]
    listed = [path for directory in directories for path in sorted(directory.glob("*.json"))]
    return {f"{path.stem}.tar": json.loads(path.read_text()) for path in listed}


def chirps_tag(release: str) -> str:
    return f"lab.local/chirps:{release}"


def chirps_images(parts: Parts) -> tuple[Image, ...]:
    modules = dict.fromkeys(RELEASES.values())
    common = part_of(parts.code, lambda path: module_of(path) not in modules)
    command = Layer(programs={"usr/local/bin/chirps": wheels.REQUIREMENTS / "chirps.sh"})
    own = {name: own_layer(parts.code, name) for name in modules}
    lower = (*parts.artifacts.values(), command, common)
    return tuple(
        Image(
            tags=(chirps_tag(release),),
            entrypoint=("python3", "-m", "lab.chirps"),
            layers=(*lower, own[module]),
            environment={**VARIABLES, "CHIRPS_CODE": module, "CHIRPS_RELEASE": release},
            user=UNPRIVILEGED,
        )
        for release, module in RELEASES.items()
    )


def observer_images(parts: Parts) -> tuple[Image, ...]:
    observer = Image(
        tags=(OBSERVER,),
        entrypoint=("python3", "-m", "lab.observer"),
        layers=(*parts.artifacts.values(), parts.code),
        environment=VARIABLES,
        user=UNPRIVILEGED,
    )
    return (observer,)


def pg_images(parts: Parts) -> tuple[Image, ...]:
    entrypoint = wheels.REQUIREMENTS / "postgres_entrypoint.py"
    postgres = Image(
        tags=(POSTGRES,),
        entrypoint=("python3", f"/{POSTGRES_ENTRYPOINT}"),
        layers=(*parts.artifacts.values(), Layer(files={POSTGRES_ENTRYPOINT: entrypoint})),
        # So that psql by hand asks for a role that is there.
        environment={**VARIABLES, "PGDATA": POSTGRES_DATA, "PGUSER": "postgres"},
        stop_signal="SIGINT",
    )
    return (postgres,)


def own_layer(code: Layer, module: str) -> Layer:
    """Return the layer that only the releases with this module have."""
    layer = part_of(code, lambda path: module_of(path) == module)
    if not layer.files:
        raise BuildFailed(f"the sample service has no release module {module!r}")
    return layer


def module_of(path: str) -> str | None:
    """Return the name of the release module that a path below releases/ belongs to."""
    inside = path.partition(f"{RELEASES_FOLDER}/")[2].removeprefix("__pycache__/")
    return inside.split("/")[0].split(".")[0] or None


def part_of(layer: Layer, is_wanted: Callable[[str], bool]) -> Layer:
    """Return a layer of the files whose path is wanted."""
    files = {path: source for path, source in layer.files.items() if is_wanted(path)}
    return Layer(files=files)
