"""The nodes of one lab on this host: boot, stop, power off, destroy.

A node is a systemd-nspawn container with a systemd, an sshd and a disk of its
own: an overlay whose lower layers are the cached artifacts, shared by all nodes.
"""

import json
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.errors import CommandFailed, MachineError, NodeDidNotBoot
from lab.files import write_json
from lab.journal import Journal
from lab.machines import netns, network, node_files, nspawn
from lab.machines.cgroups import Limits, share_out
from lab.machines.commands import run
from lab.machines.keys import Keys
from lab.machines.nspawn import Disk
from lab.machines.processes import (
    ProcessId,
    children,
    find_by_argument,
    identify,
    is_alive,
    send,
    wait_gone,
)
from lab.machines.topology import Node
from lab.paths import Caller

SSH_PORT = 22
# Each connection costs the node a process. Who gives up soon and asks again keeps a slow
# host so busy with these that none of them ever gets to its first word.
BANNER_BOUND_S = 10.0
NSPAWN = Path("/run/systemd/nspawn")
# systemd's signal for a clean power off of the machine it is PID 1 of, systemd(1).
POWER_OFF_CLEANLY = signal.SIGRTMIN + 4


class Placement(Protocol):
    """Where a node's processes go on this kind of host, and how they are found there."""

    @property
    def registered(self) -> bool:
        """Whether machined knows the nodes."""
        ...

    def launch(
        self,
        lab_id: str,
        node: Node,
        argv: Sequence[str],
        *,
        limits: Limits,
        console: Path,
        environment: Mapping[str, str],
    ) -> ProcessId: ...

    def processes(self, lab_id: str, node: Node) -> set[int]: ...

    def clean(self, lab_id: str, node: Node) -> None: ...

    def clean_all(self, lab_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The machines of one lab; `directory` is the lab's own, `store` holds what they may read."""

    lab_id: str
    directory: Path
    store: Path
    nodes: tuple[Node, ...]
    placement: Placement
    journal: Journal
    owner: Caller

    def disk(self, node: Node) -> Disk:
        return Disk(self.directory / "nodes" / node.name)

    def namespace(self) -> Path:
        return netns.path(network.name(self.lab_id))

    def has_disk(self, node: Node) -> bool:
        return self.disk(node).upper.exists()

    def is_running(self, node: Node) -> bool:
        return self._nspawn(node) is not None

    def create_network(self) -> None:
        self.journal.intend_once("network", self.lab_id)
        network.create(self.lab_id)

    def boot(self, nodes: Sequence[Node], layers: Sequence[Path], keys: Keys) -> None:
        """Start the nodes side by side; returns when each has been started, not when it is up."""
        for node in nodes:
            self.journal.intend_once("machine", node.name)
        total = _total_memory()
        first, other = share_out(total, len(self.nodes), sum(node.is_server for node in self.nodes))

        def boot_one(node: Node) -> None:
            self._boot(node, layers, keys, first if node.is_server else other)

        _for_each(nodes, boot_one)

    def wait_until_up(self, nodes: Sequence[Node], *, timeout_s: float = 60) -> None:
        """Return when every node's sshd answers; raise NodeDidNotBoot for one that does not."""
        waiting = dict.fromkeys(nodes, "no connection")
        deadline = time.monotonic() + timeout_s
        while waiting:
            for node in list(waiting):
                said = self._try_sshd(node)
                if said is None:
                    del waiting[node]
                elif time.monotonic() > deadline:
                    raise NodeDidNotBoot(
                        f"{node.name} did not answer on port {SSH_PORT} within {timeout_s:g} s "
                        f"(last: {said}; console: {self.console_tail(node)})",
                        hint=f"lab logs {node.name} --console",
                    )
            time.sleep(0.03)

    def stop(self, nodes: Sequence[Node], *, timeout_s: float = 30) -> None:
        """Shut the nodes down cleanly; one that does not stop in time loses its power."""

        def stop_one(node: Node) -> None:
            process = self._nspawn(node)
            leader = _leader(process)
            if process and leader:
                send(leader, POWER_OFF_CLEANLY)
                wait_gone(process, timeout_s=timeout_s)
            self.power_off([node])

        _for_each(nodes, stop_one)

    def power_off(self, nodes: Sequence[Node]) -> None:
        """Cut the power: silently for the network, without a chance for anything on the node."""

        def cut(node: Node) -> None:
            network.drop_link(self.lab_id, node.name)
            process = self._nspawn(node)
            leader = _leader(process)
            if leader:
                # The leader and not nspawn: killing nspawn leaves the node running, an orphan.
                send(leader, signal.SIGKILL)
            if process and not wait_gone(process, timeout_s=5):
                send(process, signal.SIGKILL)
            self._sweep(node)

        _for_each(nodes, cut)

    def destroy(self, nodes: Sequence[Node]) -> None:
        """Power off and delete the disks."""
        self.power_off(nodes)
        _for_each(nodes, lambda node: _delete(self.disk(node).directory))

    def destroy_network(self) -> None:
        network.destroy(self.lab_id)
        self.placement.clean_all(self.lab_id)

    def console_tail(self, node: Node, lines: int = 5) -> str:
        console = self.disk(node).console
        if not console.exists():
            return ""
        return "\n".join(console.read_text(errors="replace").splitlines()[-lines:])

    def _boot(self, node: Node, layers: Sequence[Path], keys: Keys, limits: Limits) -> None:
        disk = self.disk(node)
        if not self.has_disk(node):
            disk.make()
            files = node_files.make_files(self.lab_id, node, keys)
            node_files.write(disk.draft, files)
            disk.complete()
        self._sweep(node)
        options = nspawn.mount_options(layers, disk)
        run(["mount", "-t", "overlay", network.name(self.lab_id), "-o", options, str(disk.root)])
        self.store.mkdir(parents=True, exist_ok=True)
        argv = nspawn.command(
            self.lab_id, node, disk, store=self.store, registered=self.placement.registered
        )
        process = self.placement.launch(
            self.lab_id,
            node,
            argv,
            limits=limits,
            console=disk.console,
            environment=nspawn.ENVIRONMENT,
        )
        write_json(disk.record, process.to_dict(), owner=self.owner)

    def _try_sshd(self, node: Node) -> str | None:
        """Return None when the node's sshd answers, else what happened instead."""
        if not self.is_running(node):
            raise NodeDidNotBoot(
                f"{node.name} ended while it booted (console: {self.console_tail(node)})",
                hint=f"lab logs {node.name} --console",
            )
        try:
            with netns.connect(self.namespace(), (node.address, SSH_PORT), 0.5) as connection:
                connection.settimeout(BANNER_BOUND_S)
                return None if connection.recv(4) == b"SSH-" else "no SSH banner"
        except OSError as exc:
            return exc.strerror or "timed out"

    def _nspawn(self, node: Node) -> ProcessId | None:
        """Return the node's nspawn if it runs: as recorded, or by its one argument."""
        with suppress(FileNotFoundError, ValueError, KeyError):
            recorded = ProcessId.from_dict(json.loads(self.disk(node).record.read_text()))
            if is_alive(recorded):
                return recorded
        found = find_by_argument(nspawn.machine_argument(self.lab_id, node))
        return found[0] if found else None

    def _sweep(self, node: Node) -> None:
        """Remove what a node that no longer runs left on the host: processes, mount, cgroups."""
        disk = self.disk(node)
        for pid in self.placement.processes(self.lab_id, node):
            with suppress(ProcessLookupError):
                send(identify(pid), signal.SIGKILL)
        # nspawn leaves both behind when it is killed itself.
        with suppress(FileNotFoundError):
            _nspawn_lock(disk.root).unlink()
        with suppress(OSError):
            (NSPAWN / "propagate" / nspawn.machine_name(self.lab_id, node)).rmdir()
        while disk.root.is_mount():
            _unmount(disk.root)
        self.placement.clean(self.lab_id, node)
        disk.record.unlink(missing_ok=True)


def _nspawn_lock(root: Path) -> Path:
    """Return the file by which an nspawn keeps others from the same root while it is mounted."""
    found = root.stat()
    return NSPAWN / "locks" / f"inode-{found.st_dev}:{found.st_ino}"


def _leader(process: ProcessId | None) -> ProcessId | None:
    """Return the node's PID 1, the one child of its nspawn."""
    if process is None:
        return None
    with suppress(OSError):
        for pid in children(process.pid):
            return identify(pid)
    return None


def _for_each(nodes: Sequence[Node], act: Callable[[Node], None]) -> None:
    """Act on all nodes side by side; raise the first failure after all have ended."""
    with ThreadPoolExecutor(max_workers=max(len(nodes), 1)) as pool:
        for future in [pool.submit(act, node) for node in nodes]:
            future.result()


def _unmount(path: Path) -> None:
    try:
        run(["umount", str(path)])
    except CommandFailed:
        # Something of ours still looks into it; the mount ends when that does.
        run(["umount", "--lazy", str(path)])


def _delete(directory: Path) -> None:
    if not directory.exists():
        return
    if (directory / "root").is_mount():
        raise MachineError(f"{directory / 'root'} is still mounted, so it is not deleted")
    shutil.rmtree(directory)


def _total_memory() -> int:
    """Return the host's memory in bytes."""
    first = Path("/proc/meminfo").read_text().splitlines()[0]
    return int(first.split()[1]) * 1024
