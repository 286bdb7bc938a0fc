"""Watch all processes of a host for secrets in their command lines and environments."""

import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.e2e.home import all_pids, cmdline

_TOKEN = re.compile(rb"token: ['\"]?([a-z0-9]{6}\.[a-z0-9]{16})")
LOOK_EVERY_S = 0.1


@dataclass(slots=True)
class Sampler:
    """Keeps what every process shows from when it is entered until it is left.

    The nodes share the host's kernel, so their processes are among those of the host.
    The token is taken from the configuration that kubeadm is given on the node. With the sets of
    a home, also the search before its labs go (tests.e2e.leaks) has what was seen.
    """

    tokens: set[bytes] = field(default_factory=set)
    shown: set[bytes] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()

    def showing(self, secret: bytes) -> list[bytes]:
        return [text for text in self.shown if secret in text]

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            for pid in all_pids():
                process = Path("/proc", str(pid))
                self.shown |= {read(process / "cmdline"), read(process / "environ")}
                if "kubeadm" in cmdline(pid):
                    for config in configs_of(process):
                        self.tokens |= set(_TOKEN.findall(read(config)))


def configs_of(process: Path) -> list[Path]:
    """Return kubeadm's configurations on the node in which the process runs."""
    try:
        return list((process / "root/run/lab").glob("*.yaml"))
    except OSError:
        return []


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # the process ended meanwhile, or is none of ours
