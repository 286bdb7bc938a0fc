"""lab deploy, reset, psql, chirps: the sample service and ways into it."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from lab.cli import _output
from lab.cli._options import Json, Name

if TYPE_CHECKING:
    from lab.paths import Paths


class Way(Protocol):
    """Makes a kubectl command line, and the environment it needs."""

    def __call__(
        self, paths: "Paths", name: str, arguments: Sequence[str], *, interactive: bool
    ) -> tuple[list[str], dict[str, str]]: ...


def complete_profile(incomplete: str) -> list[str]:
    from lab import content

    found = (content.folder("manifests") / "chirps/profiles").glob("*.yaml")
    return sorted(path.stem for path in found if path.stem.startswith(incomplete))


PodTimeout = Annotated[
    float,
    typer.Option(
        "--timeout", help="Seconds that each wait for pods may take.", metavar="SECONDS", min=1
    ),
]


def deploy(
    name: Name = "lab",
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            help="How the service is rolled out and probed: lab-good, or defaults.",
            autocompletion=complete_profile,
        ),
    ] = "lab-good",
    users: Annotated[int, typer.Option("--users", min=6, help="Seeded users.")] = 20_000,
    chirps: Annotated[int, typer.Option("--chirps", min=100, help="Seeded chirps.")] = 300_000,
    timeout: PodTimeout = 120,
    json: Json = False,
) -> None:
    """Put the sample service, its database and the observer on a lab that is up.

    A second run changes nothing and says so; a new build of the service is rolled out.

    Examples:

        sudo lab deploy

        sudo lab deploy --profile defaults
    """
    from lab.paths import find_paths
    from lab.service.deploy import Wish, deploy

    progress = _output.make_progress()
    wish = Wish(profile=profile, users=users, chirps=chirps)
    deployed = deploy(find_paths(), name, wish, progress=progress, timeout_s=timeout)
    if json:
        _output.show_json(
            {
                "name": name,
                "changed": deployed.changed,
                "address": deployed.address,
                "profile": deployed.profile,
                "release": deployed.release,
                "phases": [{"phase": title, "seconds": s} for title, s in progress.finished],
            }
        )
        return
    state = "is deployed" if deployed.changed else "is deployed already; nothing was changed"
    _output.show(f"The service {state}: {deployed.release} at {deployed.address}")
    if deployed.changed:
        _show_next(name, deployed.address)


def _show_next(name: str, address: str) -> None:
    option = "" if name == "lab" else f" --name {name}"
    _output.show(
        "\nTry next:\n"
        f"  curl -i '{address}/chirps?author_id=1&limit=3'\n"
        f"  lab chirps{option} migrate status\n"
        f"  lab psql{option}\n"
        f"  lab scenario run half-migrated-rename{option}"
    )


def reset(name: Name = "lab", timeout: PodTimeout = 120, json: Json = False) -> None:
    """Put service and data back to the start state: release v1, schema 5, the seed.

    Examples:

        sudo lab reset
    """
    from lab.paths import find_paths
    from lab.service.reset import reset

    progress = _output.make_progress()
    reset(find_paths(), name, progress=progress, timeout_s=timeout)
    if json:
        phases = [{"phase": title, "seconds": s} for title, s in progress.finished]
        _output.show_json({"name": name, "phases": phases})
        return
    _output.show("Service and data are back at the start: release v1, schema 5, the seed")


def psql(context: typer.Context, name: Name = "lab") -> None:
    """Run psql on the service's database, as its superuser; its options come after --name.

    Examples:

        lab psql

        lab psql -c 'SELECT * FROM goose_db_version'
    """
    from lab.service.access import psql_command

    _become(context, name, psql_command)


def chirps(context: typer.Context, name: Name = "lab") -> None:
    """Run the service's own operator commands, in one of its pods.

    Examples:

        lab chirps migrate --help

        lab chirps migrate status

        lab chirps migrate status --track rename-careful --json
    """
    from lab.service.access import chirps_command

    if {"-h", "--help"} & set(context.args):
        # What may be asked is known without a lab.
        own = [sys.executable, "-P", "-m", "lab.chirps", *context.args]
        os.execv(own[0], own)  # noqa: S606
    _become(context, name, chirps_command)


def _become(context: typer.Context, name: str, make: Way) -> None:
    from lab.paths import find_paths

    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    argv, environment = make(find_paths(), name, context.args, interactive=interactive)
    os.execve(argv[0], argv, {**os.environ, **environment})  # noqa: S606
