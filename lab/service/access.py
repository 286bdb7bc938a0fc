"""Ways into the sample service: psql in the database's pod, `chirps` in the operator's."""

from collections.abc import Sequence

from lab.errors import ServiceNotDeployed
from lab.lifecycle.access import kubectl_command
from lab.lifecycle.lab import Lab
from lab.paths import Paths
from lab.postgres.roles import DATABASE
from lab.service.database import psql_arguments
from lab.service.names import NAMESPACE, OPERATOR_POD, POSTGRES_POD


def psql_command(
    paths: Paths, name: str, arguments: Sequence[str], *, interactive: bool
) -> tuple[list[str], dict[str, str]]:
    """Return argv and environment that run psql as the superuser on the service's database."""
    program = psql_arguments(DATABASE)
    return _exec(paths, name, POSTGRES_POD, [*program, *arguments], interactive=interactive)


def chirps_command(
    paths: Paths, name: str, arguments: Sequence[str], *, interactive: bool
) -> tuple[list[str], dict[str, str]]:
    """Return argv and environment that run the service's own program as who may migrate."""
    return _exec(paths, name, OPERATOR_POD, ["chirps", *arguments], interactive=interactive)


def _exec(
    paths: Paths, name: str, target: str, argv: Sequence[str], *, interactive: bool
) -> tuple[list[str], dict[str, str]]:
    _require_service(paths, name)
    terminal = ["-it"] if interactive else ["-i"]
    return kubectl_command(
        paths, name, ["exec", "--quiet", *terminal, "-n", NAMESPACE, target, "--", *argv]
    )


def _require_service(paths: Paths, name: str) -> None:
    if not Lab.load(paths, name).record.service_port:
        raise ServiceNotDeployed(
            f"lab {name!r} has no sample service", hint=f"sudo lab deploy --name {name}"
        )
