"""Hosts of one's own for `lab up --inventory`: virtual machines that a lab is put on and taken off.

    with hosts(2, clocks={"k2": 300}) as mine:
        file = mine.inventory(overrides={"k2": {"ssh_port": 2222}})
        done = mine.run_lab("up", "--inventory", str(file))

They are Debian hosts k1, k2, ... in a network of their own, in which `lab` runs as well, as a
user of its own: with a home that has no ~/.ssh, and with empty directories for labs and state.
Every instruction on the hosts is emulated, so bounds are of minutes.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from typing_extensions import override

from lab.machines import netns
from lab.machines.host_failure import SSH_ERROR
from tests.e2e.conftest import new_home
from tests.e2e.home import Done, Home
from tests.qemu import access, recipe
from tests.qemu.network import Network, network
from tests.qemu.vm import BOOT_BOUND_S, VM, together

MEMORY_MIB = 3072
LAB_BOUND_S = 1800.0

SHOWN_BOUND_S = 300.0
# Command lines and environments, logs, what lies in /tmp, and what a user without rights can
# read of all that was written since the host became a lab's.
SHOWN = """
set -u
for process in /proc/[0-9]*; do cat "$process/cmdline" "$process/environ" 2> /dev/null; done
journalctl --no-pager --output=cat
since=$(stat -c @%Y /var/lib/lab/owner 2> /dev/null || echo @0)
find /var/log /tmp /var/tmp -xdev -type f ! -name '*.journal*' -newermt "$since" -exec cat {} +
runuser -u nobody -- find /etc /opt /run /usr/local /var/lib -xdev -type f -size -256k \
    -newermt "$since" -readable -exec cat {} + 2> /dev/null
exit 0
"""

Data = Mapping[str, Any]


class OwnHome(Home):
    """A home whose user is not the tester: neither keys nor known hosts of theirs count."""

    @property
    @override
    def environ(self) -> dict[str, str]:
        return super().environ | {"HOME": str(self.directory / "home")}


@dataclass(frozen=True, slots=True)
class Hosts:
    """Running hosts by name, the network they are in, and the user who has a lab on them."""

    home: Home
    network: Network
    machines: Mapping[str, VM]

    def vm(self, name: str) -> VM:
        """Return a host, on which `run` and `output` are root by a key that lab does not have."""
        return self.machines[name]

    @contextmanager
    def inside(self) -> Iterator[Home]:
        """Step into the network: what `home` starts meanwhile runs there."""
        with netns.enter(self.network.path):
            yield self.home

    def run_lab(self, *arguments: str, timeout_s: float = LAB_BOUND_S) -> Done:
        with self.inside() as home:
            return home.lab(*arguments, timeout_s=timeout_s)

    def must(self, *arguments: str, timeout_s: float = LAB_BOUND_S) -> str:
        """Return what a command that has to succeed wrote to its standard output."""
        with self.inside() as home:
            return home.must(*arguments, timeout_s=timeout_s)

    def data(self, name: str) -> dict[str, Any]:
        """Return what an inventory says of a host when all is well."""
        return data_of(self.vm(name))

    def inventory(
        self,
        *,
        servers: Sequence[str] = ("k1",),
        agents: Sequence[str] | None = None,
        overrides: Mapping[str, Data] | None = None,
        file: str = "inventory.py",
    ) -> Path:
        """Write an inventory, by default of k1 as server and all others as agents.

        `overrides` are laid over a host's data, and None takes a key out. A name may be there
        twice, or be that of no host: its data are the overrides alone.
        """
        others = [name for name in self.machines if name not in servers]
        data = {name: self.data(name) for name in self.machines}
        place = self.home.directory / file
        place.write_text(
            render(servers, others if agents is None else agents, lay_over(data, overrides or {}))
        )
        return place

    def powerless(self) -> Data:
        """Return overrides for a user who logs in, and to whom sudo gives nothing."""
        return {"ssh_user": recipe.POWERLESS}

    def changed_host_key(self, name: str) -> Data:
        """Return overrides with which the host has another key than the one that is known."""
        key = self.home.directory / f"{name}-other-host-key"
        if not key.exists():
            access.make_key(key)
        known_as = self.vm(name).access.uplink.known_as
        return self._known(f"{name}-changed", f"{known_as} {access.public(key).read_text()}")

    def unknown_host_key(self, name: str) -> Data:
        """Return overrides with which no key of the host is known."""
        return self._known(f"{name}-unknown", "")

    def unauthorized_key(self, name: str) -> Data:
        """Return overrides with a key that nobody lets in."""
        key = self.home.directory / f"{name}-unauthorized-key"
        if not key.exists():
            access.make_key(key)
        return {"ssh_key": str(key)}

    def _known(self, name: str, text: str) -> Data:
        file = self.home.directory / f"{name}-known-hosts"
        file.write_text(text)
        return {"ssh_known_hosts_file": str(file)}


@contextmanager
def hosts(
    count: int, *, clocks: Mapping[str, float] | None = None, memory_mib: int = MEMORY_MIB
) -> Iterator[Hosts]:
    """Boot hosts k1, k2, ... side by side; `clocks` are seconds by which theirs are ahead.

    At the end labs are taken down, and that nothing of them is left on the tester is asserted.
    Before one goes, its secrets are looked for on the tester and on the hosts.
    """
    ahead = clocks or {}
    names = [f"k{number}" for number in range(1, count + 1)]
    with new_home(searched=True, kind=OwnHome) as home, network() as made:
        machines = {
            name: VM(
                name=name,
                uplink=made.attach(name, number),
                memory_mib=memory_mib,
                boot_bound_s=BOOT_BOUND_S * count,
                ahead_s=ahead.get(name, 0.0),
            )
            for number, name in enumerate(names, 1)
        }
        home.elsewhere = partial(shown_on, machines)
        (home.directory / "home").mkdir(mode=0o700)
        running = Hosts(home, made, machines)
        with together(tuple(machines.values())), taking_down(running):
            yield running


def data_of(vm: VM) -> dict[str, Any]:
    return {
        "ssh_hostname": vm.access.uplink.address,
        "ssh_user": recipe.USER,
        "ssh_key": str(vm.access.user_key),
        "ssh_known_hosts_file": str(vm.access.known_hosts),
        "_sudo": True,
    }


def shown_on(machines: Mapping[str, VM]) -> Iterator[tuple[str, bytes]]:
    """Yield what each host shows; one that nobody can log in to shows nothing."""
    for name, vm in machines.items():
        seen = vm.run("sh -s", input=SHOWN, timeout_s=SHOWN_BOUND_S)
        if seen.status == SSH_ERROR:
            continue
        assert seen.status == 0, f"{name}: {seen.errors}"
        yield f"what host {name} shows", seen.output.encode()


@contextmanager
def taking_down(running: Hosts) -> Iterator[None]:
    try:
        yield
    finally:
        try:
            with running.inside() as home:
                home.remove_all()
        except BaseException:
            # Outside of their network, the hosts' addresses are those of somebody else.
            shutil.rmtree(running.home.paths.data, ignore_errors=True)
            raise


def lay_over(data: Mapping[str, Data], overrides: Mapping[str, Data]) -> dict[str, dict[str, Any]]:
    names = (*data, *(name for name in overrides if name not in data))
    laid = {name: {**data.get(name, {}), **overrides.get(name, {})} for name in names}
    return {
        name: {key: value for key, value in found.items() if value is not None}
        for name, found in laid.items()
    }


def render(servers: Sequence[str], agents: Sequence[str], data: Mapping[str, Data]) -> str:
    """Return an inventory file, as inventories/my_hosts.py is one."""
    groups = {"server": servers, "agents": agents}
    return "\n".join(
        f"{group} = {[(name, dict(data.get(name, {}))) for name in names]!r}\n"
        for group, names in groups.items()
    )
