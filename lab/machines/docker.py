"""Run the `docker` command, and say in a line why it cannot be used.

The command and not its API: it knows the user's contexts, their socket and how they log in.
"""

import os
from collections.abc import Mapping, Sequence

from lab.errors import CommandFailed, HostUnfit, ToolMissing
from lab.machines.commands import run

PROGRAM = "docker"
# A slow host may need long to remove what holds gigabytes.
BOUND_S = 120.0
DENIED = "permission denied"
AWAY = (
    "cannot connect to the docker daemon",
    "failed to connect to the docker api",
    "no such host",
)


def docker(
    *arguments: str,
    input: str | None = None,  # noqa: A002 - the name subprocess gave it
    timeout_s: float = BOUND_S,
    env: Mapping[str, str] | None = None,
) -> str:
    """Return what the command printed.

    Raises ToolMissing without the program, HostUnfit where no daemon answers or it may not be
    asked, CommandFailed otherwise.
    """
    try:
        argv = [PROGRAM, *arguments]
        # What is being removed goes on being removed when somebody is impatient.
        return run(argv, input=input, timeout_s=timeout_s, env=env, own_group=True)
    except ToolMissing as exc:
        raise ToolMissing(
            "docker is not on PATH, and nodes of kind are its containers",
            hint="https://docs.docker.com/engine/install, or sudo lab up --on sandbox",
        ) from exc
    except CommandFailed as exc:
        raise explain(exc, os.environ) from exc


def explain(failed: CommandFailed, environ: Mapping[str, str]) -> CommandFailed | HostUnfit:
    """Return why Docker cannot be used, where that is what the failure says, else the failure."""
    said, where = failed.message.lower(), environ.get("DOCKER_HOST", "its usual socket")
    if DENIED in said and ("socket" in said or "docker api" in said or "dial" in said):
        return HostUnfit(
            f"Docker at {where} refuses this user",
            hint="sudo usermod -aG docker $USER and log in again, or the same with sudo",
        )
    if any(word in said for word in AWAY):
        return HostUnfit(
            f"no Docker daemon answers at {where}",
            hint="sudo systemctl start docker; docker version tells more",
        )
    return failed


def version() -> str:
    """Return the daemon's version; raises as `docker` does where it cannot be used."""
    return docker("version", "--format", "{{.Server.Version}}", timeout_s=20).strip()


def image_id(image: str) -> str:
    """Return the id of a local image, and nothing where Docker has none of that name."""
    try:
        return docker("image", "inspect", "--format", "{{.Id}}", image).strip()
    except CommandFailed:
        return ""


def names(filters: Sequence[str]) -> list[str]:
    """Return the names of containers, also of stopped ones, that pass all filters."""
    chosen = [word for each in filters for word in ("--filter", each)]
    return docker("ps", "--all", *chosen, "--format", "{{.Names}}").split()
