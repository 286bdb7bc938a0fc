"""The command `lab` as a user of that Docker runs it: in its network, with its socket."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.docker.daemon import Docker
from tests.e2e.home import Home, Running


@dataclass(slots=True)
class DockerHome(Home):
    """`more` is what is set beside that in the environment of commands."""

    docker: Docker = field(kw_only=True)
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        # super() without arguments does not work in a class with slots.
        return {**Home.environ.fget(self), **self.docker.environ, **self.more}  # type: ignore[attr-defined]

    @contextmanager
    def having(self, **variables: str) -> Iterator[None]:
        """Set variables for commands meanwhile."""
        before, self.more = self.more, {**self.more, **variables}
        try:
            yield
        finally:
            self.more = before

    def begin(self, *arguments: str) -> Running:
        return subprocess.Popen(
            self.docker.inside(sys.executable, "-m", "lab", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environ,
            process_group=0,
        )

    def containers(self) -> list[str]:
        return self.docker.lines("ps", "--all", "--format", "{{.Names}}")

    def networks(self) -> list[str]:
        """Return the networks that are none of Docker's own."""
        return self.docker.lines(
            "network", "ls", "--filter", "type=custom", "--format", "{{.Name}}"
        )

    def volumes(self) -> list[str]:
        return self.docker.lines("volume", "ls", "--quiet")

    def left(self) -> list[str]:
        """Return what there is of labs: in Docker, and on the disk."""
        return [*self.containers(), *self.networks(), *self.volumes(), *self.names()]

    def said_by_kind(self, name: str) -> str:
        file = self.paths.state / "kind" / f"{name}.log"
        return file.read_text() if file.exists() else ""
