"""A Docker daemon for tests: own data, own socket, and a network that leads nowhere."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts import ensure
from lab.machines.cgroups import LAB_SHARES
from lab.machines.commands import run
from lab.paths import find_paths
from lab.progress import Silent
from tests.docker.root import DockerRoot, docker_program

SCRIPT = Path(__file__).with_name("daemon.sh")
RUNTIME = Path(__file__).with_name("runc-as-allowed.sh")
STARTS_WITHIN_S = 60
STOPS_WITHIN_S = 60
HIERARCHIES = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Docker:
    """One that runs; `pid` is that of the first process in its namespaces."""

    pid: int
    work: Path

    @property
    def environ(self) -> dict[str, str]:
        """Return what a client's environment has to hold."""
        return {
            "DOCKER_HOST": f"unix://{self.work}/run/docker.sock",
            "PATH": f"{self.work}/bin:{os.environ['PATH']}",
        }

    def inside(self, *argv: str) -> list[str]:
        """Return the command in the daemon's network, where its published ports are."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *argv]

    def run(self, *argv: str, timeout_s: float = 60, env: Mapping[str, str] | None = None) -> str:
        return run(self.inside(*argv), timeout_s=timeout_s, env={**self.environ, **(env or {})})

    def lines(self, *argv: str) -> list[str]:
        return self.run("docker", *argv).split("\n")[:-1]


@contextmanager
def running(work: Path) -> Iterator[Docker]:
    """Start a daemon with all it writes below `work`, on a real file system; stop it at the end."""
    tree = ensure([DockerRoot()], paths=find_paths(), progress=Silent())["test-docker"].tree
    # The client and its socket are there for all users; the socket itself decides who may.
    work.chmod(0o755)
    (work / "bin").mkdir()
    shutil.copy(docker_program(tree), work / "bin/docker")
    cgroup = f"lab-test-docker-{os.getpid()}"
    prefer(cgroup)
    argv = ["sh", str(SCRIPT), str(tree), str(work), f"/{cgroup}", str(RUNTIME)]
    spaces = ["--net", "--mount", "--pid", "--fork", "--kill-child=SIGTERM"]
    with (work / "daemon.log").open("w") as log:
        process = subprocess.Popen(
            ["unshare", *spaces, *argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )
    try:
        yield wait_until_up(process, work)
    finally:
        stop(process)
        remove_cgroups(cgroup)


def wait_until_up(process: "subprocess.Popen[bytes]", work: Path) -> Docker:
    deadline = time.monotonic() + STARTS_WITHIN_S
    socket = f"unix://{work}/run/docker.sock"
    while True:
        asked = subprocess.run(
            [str(work / "bin/docker"), "--host", socket, "version"],
            capture_output=True,
            check=False,
        )
        if asked.returncode == 0:
            return Docker(child_of(process.pid), work)
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            raise AssertionError(f"no Docker: {(work / 'daemon.log').read_text()[-3000:]}")
        time.sleep(0.2)


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Stop the daemon in order, and then everything in its namespaces."""
    with suppress(IndexError, FileNotFoundError, ProcessLookupError):
        first = child_of(process.pid)
        os.kill(first, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOPS_WITHIN_S)
            return
        os.kill(first, signal.SIGKILL)
    process.kill()
    process.wait(STOPS_WITHIN_S)


def prefer(name: str) -> None:
    """Make the cgroup of all containers before it is asked for, with the share that a lab gets."""
    if (HIERARCHIES / "cpu/cpu.shares").exists():
        directory = HIERARCHIES / "cpu" / name
        directory.mkdir()
        (directory / "cpu.shares").write_text(f"{LAB_SHARES}\n")


def remove_cgroups(name: str) -> None:
    for top in HIERARCHIES.glob(f"*/{name}"):
        for folder, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
