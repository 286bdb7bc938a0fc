"""Search one lab of a test for its secrets, while it is still there."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.home import Home
from tests.e2e.leaks import places
from tests.e2e.leaks.find import Leak, Place, Secret, find_leaks
from tests.e2e.leaks.known import bootstrap_secret, secrets_of, secrets_of_cluster

# A server that does not answer at once never will.
SECRETS = ("get", "secrets", "--all-namespaces", "--request-timeout=5s", "--output=json")


@dataclass(slots=True)
class SearchOnce:
    """Searches a lab before it is removed, and not again when that has to be tried again.

    A search that fails is found at the end like a leak: the lab has to be removed first.
    """

    home: Home
    found: list[Leak | Exception] = field(default_factory=list)
    _searched: set[str] = field(default_factory=set)

    def __call__(self, name: str) -> None:
        lab_id = self._lab_id(name)
        if not lab_id or lab_id in self._searched:
            return
        self._searched.add(lab_id)
        try:
            self.found += search(self.home, name)
        except Exception as exc:
            self.found.append(exc)

    def _lab_id(self, name: str) -> str:
        """Return the lab's id; empty for a lab that is not there, or has no record to read."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            return str(self.home.record(name).get("lab_id", ""))
        return ""


def search(home: Home, name: str) -> list[Leak]:
    """Return where a secret of the lab is that may not be there; the lab may be in any state."""
    plan = "\n".join(told(home, "up", "--name", name, "--plan", "--json"))
    return find_leaks(all_secrets(home, name), everywhere(home, name, plan))


def all_secrets(home: Home, name: str) -> set[Secret]:
    """Return the secrets on the disks, and those of a cluster that answers."""
    objects, _ = told(home, "kubectl", "--name", name, *SECRETS)
    tokens = {bootstrap_secret(token) for token in set(home.tokens)}
    return tokens | secrets_of(home.paths.lab(name)) | secrets_of_cluster(objects)


def everywhere(home: Home, name: str, plan: str, tmp: Path = places.TMP) -> Iterator[Place]:
    lab = home.paths.lab(name)
    yield "the plan", plan.encode()
    yield from places.shown(set(home.shown))
    yield from places.processes()
    yield from places.of_lab(lab)
    # Runs with their reports, and what doctor keeps.
    yield from places.any_files(home.paths.state)
    yield from places.any_files(tmp, places.begun(lab))
    yield from home.elsewhere()


def told(home: Home, *command: str) -> tuple[str, str]:
    """Return what a command printed; nothing if it took too long."""
    with suppress(subprocess.TimeoutExpired):
        done = home.lab(*command, timeout_s=30)
        return done.stdout, done.stderr
    return "", ""
