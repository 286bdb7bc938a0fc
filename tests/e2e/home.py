"""A user's directories of their own, and the command `lab` as that user runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from lab.machines import netns, placement
from lab.machines.topology import Node, make_nodes
from lab.paths import Paths, find_paths

Done = subprocess.CompletedProcess[str]
Running = subprocess.Popen[str]

# Nothing of the calling user's choices may reach the labs of tests.
FOREIGN = ("LAB_", "SUDO_", "XDG_", "KUBECONFIG")


def wait_for(condition: Callable[[], object], *, timeout_s: float, every_s: float = 0.02) -> bool:
    """Return whether it came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


@dataclass(slots=True)
class Home:
    """Labs and state below `directory`; the cache is the real one unless another is named."""

    directory: Path
    cache: Path
    path: str = field(default_factory=lambda: os.environ["PATH"])
    ids: set[str] = field(default_factory=set)
    # Called with a lab's name before a command removes it.
    on_down: Callable[[str], object] = lambda name: None
    # What machines elsewhere show of a lab, as tests.e2e.leaks.find has a place.
    elsewhere: Callable[[], Iterable[tuple[str, bytes]]] = lambda: ()
    # What a Sampler keeps, see tests.e2e.secrets.
    tokens: set[bytes] = field(default_factory=set)
    shown: set[bytes] = field(default_factory=set)

    @property
    def environ(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
        return kept | {
            "XDG_DATA_HOME": str(self.directory / "data"),
            "XDG_STATE_HOME": str(self.directory / "state"),
            "XDG_CACHE_HOME": str(self.cache),
            "PATH": self.path,
            # Not what the network happens to offer.
            "LAB_DISTRIBUTION": "kubeadm",
        }

    @property
    def paths(self) -> Paths:
        return find_paths(self.environ)

    def lab(self, *arguments: str, timeout_s: float = 280) -> Done:
        if arguments[:1] == ("down",):
            self.on_down(name_in(arguments))
        running = self.begin(*arguments)
        try:
            out, err = running.communicate(timeout=timeout_s)
        except BaseException:
            interrupt(running)
            raise
        finally:
            self._note_ids()
        return subprocess.CompletedProcess(arguments, running.returncode, out, err)

    def must(self, *arguments: str, timeout_s: float = 280) -> str:
        """Return what a command that has to succeed wrote to its standard output."""
        done = self.lab(*arguments, timeout_s=timeout_s)
        assert done.returncode == 0, f"lab {' '.join(arguments)}: {done.returncode}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.must(*arguments, "--json"))

    def begin(self, *arguments: str) -> Running:
        """Start a command in a process group of its own, as a shell does."""
        return subprocess.Popen(
            [sys.executable, "-m", "lab", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environ,
            process_group=0,
        )

    def names(self) -> list[str]:
        data = self.paths.data
        return sorted(p.name for p in data.iterdir() if p.is_dir()) if data.is_dir() else []

    def record(self, name: str) -> dict[str, Any]:
        """Return what lab.json says; empty while there is none."""
        try:
            found: dict[str, Any] = json.loads((self.paths.lab(name) / "lab.json").read_text())
        except FileNotFoundError:
            return {}
        self.ids.add(found["lab_id"])
        return found

    def node(self, name: str, node: str) -> Path:
        return self.paths.lab(name) / "nodes" / node

    def remove_all(self) -> None:
        """End whatever a test left, by the command that promises to."""
        failed = []
        for name in self.names():
            done = self.lab("down", "--name", name, "--yes")
            failed += [done.stderr] if done.returncode else []
        assert not failed, "\n".join(failed)

    def _note_ids(self) -> None:
        for name in self.names():
            self.record(name)


def name_in(arguments: tuple[str, ...]) -> str:
    """Return which lab a command is for."""
    following = dict(pairwise(arguments))
    return following.get("--name", "lab")


def interrupt(running: Running) -> None:
    """Do what Ctrl-C at a terminal does: the signal goes to the whole process group."""
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=60)


def kill(running: Running) -> None:
    """Do what kill -9 does: nothing of the command can end in order."""
    running.kill()
    running.communicate(timeout=20)
    assert running.returncode == -signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Watch:
    """What the host shows of one lab while a command works on it."""

    home: Home
    name: str

    @property
    def lab_id(self) -> str:
        return str(self.home.record(self.name).get("lab_id", ""))

    def has_network(self) -> bool:
        return bool(self.lab_id) and netns.exists(f"lab-{self.lab_id}")

    def pids(self, node: str) -> set[int]:
        if not self.lab_id:
            return set()
        return placement.of_this_host().processes(self.lab_id, Node(int(node[1:])))

    def runs(self, node: str, *words: str) -> bool:
        """Whether a process on the node has all of the words in its command line."""
        return any(all(word in line for word in words) for line in map(cmdline, self.pids(node)))

    def joined(self) -> list[str]:
        return list(self.home.record(self.name).get("joined", ()))

    def strays(self) -> list[str]:
        """Return what runs in the lab's network namespace beside nodes and forwarder."""
        own = netns.path(f"lab-{self.lab_id}")
        if not own.exists():
            return []
        inode = own.stat().st_ino
        nodes = make_nodes(self.home.record(self.name)["node_count"])
        known = set().union(*(self.pids(node.name) for node in nodes))
        return [
            line
            for pid in all_pids() - known
            if network_of(pid) == inode
            for line in [cmdline(pid)]
            if line and "lab.machines.forwarder" not in line
        ]


def all_pids() -> set[int]:
    return {int(path.name) for path in Path("/proc").glob("[0-9]*")}


def cmdline(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def network_of(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return 0  # it ended, or is none of ours


def copy_tree(source: Path, target: Path) -> None:
    """Copy by hard links, which cost nothing; nobody may write into such a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    linked = subprocess.run(["cp", "-al", str(source), str(target)], check=False)
    if linked.returncode:
        subprocess.run(["rm", "-rf", str(target)], check=True)
        subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def make_path(directory: Path, *, without: tuple[str, ...] = ()) -> str:
    """Return a PATH on which everything of the present one is, except some programs."""
    directory.mkdir(parents=True)
    places = [Path(place) for place in os.environ["PATH"].split(":")]
    for place in filter(Path.is_dir, places):
        for program in place.iterdir():
            link = directory / program.name
            if program.name not in without and not link.is_symlink():
                link.symlink_to(program)
    return str(directory)
