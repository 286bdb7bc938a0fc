"""What is a process of the twin given in its environment?

The same variables as the manifests set, manifests/chirps and manifests/migration.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.errors import InvalidValue
from lab.twin.jobs import Job
from lab.twin.pods import Identity
from lab.twin.prober import LOOPBACK

MIGRATE = "migrate"
OF_PROFILE = {
    "pool_size": "CHIRPS_POOL_SIZE",
    "pool_timeout_seconds": "CHIRPS_POOL_TIMEOUT_S",
    "graceful_seconds": "CHIRPS_GRACEFUL_S",
}


@dataclass(frozen=True, slots=True)
class Release:
    """`code` is the module of the service; `variables` are the release's own, as its role."""

    code: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Given:
    """What all processes of a world share: database, releases, priority, place of the logs."""

    database: Mapping[str, str]
    releases: Mapping[str, Release]
    profile: Mapping[str, Any]
    keep: Path
    nice: int = 0
    alive: Path | None = None

    def release(self, name: str) -> Release:
        """One that is not known is its own code, which then says itself that it is not there."""
        return self.releases.get(name) or Release(name)

    def of_pod(self, identity: Identity) -> dict[str, str]:
        release = self.release(identity.release)
        settings = {
            variable: f"{self.profile[name]:g}"
            for name, variable in OF_PROFILE.items()
            if name in self.profile
        }
        return {
            **settings,
            **self.database,
            **release.variables,
            **dict(identity.template.variables),
            "CHIRPS_CODE": release.code,
            "CHIRPS_RELEASE": identity.release,
            "CHIRPS_POD": identity.name,
            "CHIRPS_NODE": identity.node,
            "CHIRPS_HOST": LOOPBACK,
            "CHIRPS_PORT": "0",
        }

    def of_job(self, job: Job) -> dict[str, str]:
        return {
            **self.database,
            **self.release(MIGRATE).variables,
            "CHIRPS_RELEASE": job.release,
            "CHIRPS_POD": job.pod,
            "CHIRPS_NODE": job.node,
        }


def read_given(told: Mapping[str, Any]) -> Given:
    """Return what `start` was told, or raise InvalidValue."""
    keep = Path(str(told.get("keep") or ".")).absolute()
    if not keep.is_dir():
        raise InvalidValue(f"{keep} is no directory: logs are kept there")
    releases = told.get("releases") or {}
    if not isinstance(releases, Mapping):
        raise InvalidValue(f"releases is {releases!r}: it must be an object")
    return Given(
        database=variables(told, "database"),
        releases={name: _release(name, found) for name, found in releases.items()},
        profile=told.get("profile") or {},
        keep=keep,
        nice=_nice(told.get("nice") or 0),
        alive=Path(str(told["alive"])).absolute() if told.get("alive") else None,
    )


def _nice(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and -20 <= value < 20:
        return value
    raise InvalidValue(f"nice is {value!r}: it must be a whole number from -20 to 19")


def _release(name: str, found: object) -> Release:
    if not isinstance(found, Mapping):
        raise InvalidValue(f"release {name} is {found!r}: it must be an object")
    return Release(str(found.get("code") or name), variables(found, "variables"))


def variables(told: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return the object `name` of what was told; raise InvalidValue for what is no variable."""
    found = told.get(name) or {}
    if not isinstance(found, Mapping):
        raise InvalidValue(f"{name} is {found!r}: it must be an object of variables")
    for variable, value in found.items():
        text = f"{variable}{value}"
        if not isinstance(value, str) or not variable or "=" in variable or "\0" in text:
            raise InvalidValue(f"{name} has {variable!r}: {value!r}: it must be a variable's text")
    return dict(found)
