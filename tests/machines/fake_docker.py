"""A Docker in memory: what the command would say, of containers, networks and images."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import CommandFailed
from lab.machines.kind import CLUSTER_LABEL

Words = Sequence[str]


@dataclass
class Container:
    name: str
    network: str = "kind"
    labels: dict[str, str] = field(default_factory=dict)
    running: bool = True
    address: str = "172.18.0.2"
    files: dict[str, str] = field(default_factory=dict)

    def passes(self, chosen: str) -> bool:
        kind, _, value = chosen.partition("=")
        match kind:
            case "label":
                key, _, wanted = value.partition("=")
                return self.labels.get(key) == wanted
            case "network":
                return self.network == value
            case "status":
                return (value == "running") == self.running
            case "name":
                return re.search(value, f"/{self.name}") is not None
        raise AssertionError(f"unknown filter {chosen}")


@dataclass
class FakeDocker:
    """`run` is what `lab.machines.commands.run` is replaced by; `said` are all commands.

    `scripts` are what shells in containers were given, with the name of the container.
    """

    containers: dict[str, Container] = field(default_factory=dict)
    networks: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    said: list[tuple[str, ...]] = field(default_factory=list)
    scripts: list[tuple[str, str]] = field(default_factory=list)
    away: str = ""
    subnet: str = "172.18.0.0/16"
    # What a client that was killed had asked for: there after the next look.
    late: list[Container] = field(default_factory=list)

    def run(self, argv: Words, *, input: str | None = None, **_: object) -> str:  # noqa: A002
        program, *words = argv
        assert program == "docker"
        self.said.append(tuple(words))
        if self.away:
            raise CommandFailed(f"`docker` failed with exit status 1: {self.away}")
        if words[0] == "exec":
            return self._execute(words[2], input or "")
        return self._answer(words)

    def add(self, cluster: str, name: str, network: str) -> None:
        labels = {CLUSTER_LABEL: cluster}
        self.containers[name] = Container(name, network, labels)

    def _execute(self, name: str, script: str) -> str:
        if not self.containers[name].running:
            raise CommandFailed(f"Error response from daemon: Container {name} is not running")
        self.scripts.append((name, script))
        return ""

    def _answer(self, words: Words) -> str:
        match words:
            case ["version", *_]:
                return "20.10.24\n"
            case ["ps", *rest]:
                return self._ps(_filters(rest))
            case ["rm", "--force", "--volumes", *names]:
                for name in names:
                    self.containers.pop(name, None)
            case ["start" | "stop" | "kill" as verb, *names]:
                for name in names:
                    self.containers[name].running = verb == "start"
            case ["inspect", *names]:
                return json.dumps([_shown(self.containers[name]) for name in names])
            case ["cp", source, target]:
                name, _, path = source.partition(":")
                if path not in self.containers[name].files:
                    raise CommandFailed(f"could not find the file {path} in container {name}")
                Path(target).write_text(self.containers[name].files[path])
            case ["network", "create", _, label, name]:
                self.networks[name] = label.removeprefix("--label=")
            case ["network", "ls", "--quiet", *rest]:
                name, label = (each.partition("=")[2] for each in _filters(rest))
                found = self.networks.get(name.strip("^$"))
                return "abc\n" if found == label else ""
            case ["network", "inspect", _, _, _]:
                return f"{self.subnet} \n"
            case ["network", "rm", name]:
                del self.networks[name]
            case ["image", "inspect", _, _, name]:
                if name not in self.images:
                    raise CommandFailed(f"no such image: {name}")
                return f"{self.images[name]}\n"
            case ["load" | "update", *_]:
                pass
            case _:
                raise AssertionError(f"unknown command: docker {' '.join(words)}")
        return ""

    def _ps(self, chosen: Words) -> str:
        found = [c.name for c in self.containers.values() if all(map(c.passes, chosen))]
        while self.late:
            last = self.late.pop()
            self.containers[last.name] = last
        return "\n".join(found)


def _filters(words: Words) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words) if word == "--filter"]


def _shown(container: Container) -> Mapping[str, object]:
    networks = {container.network: {"IPAddress": container.address}}
    return {"Name": f"/{container.name}", "NetworkSettings": {"Networks": networks}}
