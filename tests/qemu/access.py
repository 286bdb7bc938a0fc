"""How a tester reaches a virtual machine: an ssh that trusts exactly the key made for it."""

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from lab.machines.commands import run
from tests.qemu import recipe

LOOPBACK = "127.0.0.1"
CONNECT_BOUND_S = 30


@dataclass(frozen=True, slots=True)
class Access:
    """Login key, known hosts and loopback port, for `ssh` and for inventories."""

    directory: Path
    port: int

    @property
    def key(self) -> Path:
        return self.directory / "login"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def options(self) -> list[str]:
        settings = {
            "BatchMode": "yes",
            "ConnectTimeout": str(CONNECT_BOUND_S),
            "IdentitiesOnly": "yes",
            "IdentityFile": str(self.key),
            "LogLevel": "ERROR",
            "Port": str(self.port),
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
        }
        return ["-F", "none", *(f"-o{name}={value}" for name, value in settings.items())]

    def ssh(self, command: str, *, user: str) -> list[str]:
        return ["ssh", *self.options(), f"{user}@{LOOPBACK}", "--", command]

    def scp(self, source: str, target: str) -> list[str]:
        return ["scp", *self.options(), "-q", "-r", "-p", source, target]


def make(directory: Path) -> tuple[Access, Path]:
    """Make keys and return the access and the directory that the machine gets them from."""
    access = Access(directory, free_port())
    seed = directory / recipe.SEED
    seed.mkdir(mode=0o700)
    for file in (access.key, seed / recipe.HOST_KEY):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file)])
    shutil.copyfile(access.key.with_suffix(".pub"), seed / "authorized_keys")
    public = (seed / recipe.HOST_KEY).with_suffix(".pub").read_text()
    access.known_hosts.write_text(f"[{LOOPBACK}]:{access.port} {public}")
    return access, seed


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def is_answered(port: int, *, timeout_s: float) -> bool:
    """Whether an ssh server greets; QEMU itself accepts before anybody listens inside."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout_s) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
