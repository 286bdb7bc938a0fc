"""Nodes that are directories: the stand-in as ordinary processes on loopback."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.kube import kubeconfig
from lab.kube.client import Client

HURRY = 20
BOUND_S = 5.0


def until(holds: Callable[[], bool], seen: Callable[[], str] = str) -> None:
    """Return once it holds; fail with what was seen after the bound."""
    end = time.monotonic() + BOUND_S
    while not holds():
        assert time.monotonic() < end, seen()
        time.sleep(0.005)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@dataclass(slots=True)
class Running:
    """One process, its journal, and what it told systemd."""

    process: subprocess.Popen[bytes]
    journal: Path
    systemd: socket.socket

    def said(self, words: str) -> int:
        """Return how many lines have these words."""
        return sum(words in line for line in self.journal.read_text().splitlines())

    def until_said(self, words: str, times: int = 1) -> None:
        until(lambda: self.said(words) >= times, self.journal.read_text)

    @property
    def ready(self) -> bool:
        """Whether systemd was told READY; what it was told is kept."""
        try:
            return self.systemd.recv(100, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"READY=1"
        except BlockingIOError:
            return False

    def until_ready(self) -> None:
        until(lambda: self.ready, self.journal.read_text)

    def ended(self) -> str:
        """Return its journal once it has ended with an error."""
        assert self.process.wait(BOUND_S) == 1
        return self.journal.read_text()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(BOUND_S)


@dataclass(slots=True)
class Host:
    """One node: a directory that is its root, and a port for its API."""

    program: Path
    root: Path
    name: str
    port: int = field(default_factory=free_port)
    variables: dict[str, str] = field(default_factory=dict)
    started: list[Running] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def file(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def write(self, path: str, content: str) -> None:
        self.file(path).parent.mkdir(parents=True, exist_ok=True)
        self.file(path).write_text(content)

    def configure(self, **keys: Any) -> None:
        """Write config.yaml: `node_name` becomes node-name, and so on."""
        values = {"node-name": self.name, "node-ip": "127.0.0.1"}
        values |= {key.replace("_", "-"): value for key, value in keys.items()}
        text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items())
        self.write("/etc/rancher/k3s/config.yaml", text)

    def misbehave(self, **faults: Any) -> None:
        self.write("/etc/k3s-standin.json", json.dumps(faults))

    def start(self, role: str, *arguments: str) -> Running:
        systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"standin-{uuid.uuid4()}"
        systemd.bind(f"\0{name}")
        journal = self.root / f"journal-{len(self.started)}"
        with journal.open("wb") as log:
            process = subprocess.Popen(
                [str(self.program), role, *arguments],
                env=self.environment | {"NOTIFY_SOCKET": f"@{name}"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.started.append(Running(process, journal, systemd))
        return self.started[-1]

    def server(self, **keys: Any) -> Running:
        self.configure(**keys)
        return self.start("server")

    def agent(self, server: "Host", token: str, **keys: Any) -> Running:
        self.configure(**{"server": server.url, "token": token, "lb_server_port": 0, **keys})
        return self.start("agent")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "STANDIN_ROOT": str(self.root),
            "STANDIN_LISTEN": f"127.0.0.1:{self.port}",
            "STANDIN_HURRY": str(HURRY),
        } | self.variables

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.program), *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=BOUND_S
        )

    def token(self, name: str = "token") -> str:
        return self.file(f"/var/lib/rancher/k3s/server/{name}").read_text().strip()

    def client(self) -> Client:
        text = self.file("/etc/rancher/k3s/k3s.yaml").read_text()
        return Client(kubeconfig.parse(text, origin="k3s.yaml"))

    def conditions(self, name: str) -> dict[str, str]:
        """Return type → status, in the order in which they come; none for an unknown node."""
        nodes = self.client().get("/api/v1/nodes")["items"]
        found = [node["status"]["conditions"] for node in nodes if node["metadata"]["name"] == name]
        return {each["type"]: each["status"] for conditions in found for each in conditions}

    @property
    def containers(self) -> list[int]:
        """Return the processes that look like containers of this node."""
        file = self.file("/run/k3s/containerd/standin-shim")
        return [int(file.read_text())] if file.exists() else []

    def close(self) -> None:
        """End what was started here, and nothing else."""
        for each in self.started:
            each.process.kill()
            each.process.wait()
            each.systemd.close()
        # Whoever was killed before it noted its container left one that no file tells of.
        for pid in of_root(self.root):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def of_root(root: Path) -> list[int]:
    """Return the processes of the stand-in that have this root in their environment."""
    return [
        int(process.name)
        for process in Path("/proc").glob("[0-9]*")
        if f"STANDIN_ROOT={root}" in environment_of(process)
    ]


def environment_of(process: Path) -> list[str]:
    """Return the variables of a process, none of one that is gone or somebody else's."""
    try:
        return (process / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def command_line(pid: int) -> str:
    """Return a process' arguments, or nothing when there is no such process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
