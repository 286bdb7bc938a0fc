"""How a tester reaches a virtual machine: an ssh that trusts exactly the key made for it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.machines.commands import run
from tests.qemu import recipe
from tests.qemu.uplinks import Uplink

CONNECT_BOUND_S = 30


@dataclass(frozen=True, slots=True)
class Access:
    """Keys, known hosts and where the machine is, for `ssh` and for inventories."""

    directory: Path
    uplink: Uplink

    @property
    def key(self) -> Path:
        """The tester's own key, which lets in root as well."""
        return self.directory / "login"

    @property
    def user_key(self) -> Path:
        """The key to put in inventories: it lets in users, and never root."""
        return self.directory / "user"

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
            "Port": str(self.uplink.port),
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
        }
        return ["-F", "none", *(f"-o{name}={value}" for name, value in settings.items())]

    def ssh(self, command: str, *, user: str) -> list[str]:
        argv = ["ssh", *self.options(), f"{user}@{self.uplink.address}", "--", command]
        return self.uplink.command(argv)

    def scp(self, source: str, target: str) -> list[str]:
        return self.uplink.command(["scp", *self.options(), "-q", "-r", "-p", source, target])

    def remote(self, path: str) -> str:
        """Return a path of the machine as scp has it."""
        return f"root@{self.uplink.address}:{path}"


def make(directory: Path, *, name: str, uplink: Uplink) -> tuple[Access, Path]:
    """Make keys and return the access and the directory that the machine gets all this from."""
    access = Access(directory, uplink)
    seed = directory / recipe.SEED
    seed.mkdir(mode=0o700)
    host_key = seed / recipe.HOST_KEY
    for file in (access.key, access.user_key, host_key):
        make_key(file)
    shutil.copyfile(public(access.key), seed / recipe.ROOT_KEYS)
    both = (public(access.key), public(access.user_key))
    (seed / recipe.USER_KEYS).write_text("".join(file.read_text() for file in both))
    (seed / "hostname").write_text(f"{name}\n")
    (seed / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n")
    (seed / recipe.UPLINK).write_text(uplink.inside)
    access.known_hosts.write_text(f"{uplink.known_as} {public(host_key).read_text()}")
    return access, seed


def make_key(file: Path) -> None:
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file)])


def public(key: Path) -> Path:
    return key.with_suffix(".pub")
