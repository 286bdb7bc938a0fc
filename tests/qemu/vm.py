"""Boot a Debian host run by systemd, with cgroup v2, in QEMU, and run commands on it.

Where the processor cannot virtualize, every instruction is emulated: right for what
a host does, wrong for how fast. No test may depend on which it is. The machine's only
network is QEMU's user network, restricted: its ssh server is reached on a loopback
port and nothing leads out.

    with VM({"project": directory}) as vm:
        vm.output("ls /mnt/project")

Whoever starts it holds it: QEMU gets a death signal when the starting thread ends, so
it is started in the thread that lives as long as the tests do.
"""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.errors import CommandFailed, NodeDidNotBoot
from lab.machines.commands import describe_failure, run
from tests.qemu import access as accesses
from tests.qemu import disks, image, recipe, uplinks
from tests.qemu.access import Access
from tests.qemu.image import Image
from tests.qemu.uplinks import Uplink
from tests.qemu.workplace import workplace

BOOT_BOUND_S = 240.0
STOP_BOUND_S = 10.0
GREETING_BOUND_S = 2.0
POLL_S = 0.3
CONSOLE_LINES = 30

# Where page tables are walked by a program, each level costs.
CPU = "max,la57=off"
# Emulated, the counter of cycles is the same on all processors, which Linux does not believe; its
# other clocks cost an exit from the emulation at each look, and Go looks at them all the time.
FAST = "tsc=reliable clocksource=tsc mitigations=off"
CPUINFO = Path("/proc/cpuinfo")
VIRTUALIZES = {"vmx", "svm"}

# The tester may have died before the kernel was told to send the death signal.
TIED = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"'


@dataclass(frozen=True, slots=True)
class Result:
    """How a command on the machine ended, and what it wrote."""

    command: str
    status: int
    output: str
    errors: str


@dataclass(slots=True)
class VM:
    """A machine for the length of a `with`; `shares` are seen read-only as /mnt/TAG.

    Its clock starts `ahead_s` seconds ahead of the tester's. Without an uplink it is alone.
    """

    shares: Mapping[str, Path] = field(default_factory=dict)
    memory_mib: int = 4096
    cpus: int = 2
    boot_bound_s: float = BOOT_BOUND_S
    name: str = recipe.LABEL
    uplink: Uplink | None = None
    ahead_s: float = 0.0
    boot_s: float = field(default=0.0, init=False)
    _started: float = field(default=0.0, init=False, repr=False)
    _work: Path | None = field(default=None, init=False, repr=False)
    _access: Access | None = field(default=None, init=False, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _cleanup: ExitStack = field(default_factory=ExitStack, init=False, repr=False)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.booting())
            self.wait_until_it_answers()
            self._cleanup = stack.pop_all()
        return self

    @contextmanager
    def booting(self) -> Iterator[Self]:
        """Start it and wait for nothing, so that several machines can boot side by side."""
        built = image.ensure()
        uplink = self.uplink or uplinks.restricted(uplinks.free_port())
        with workplace(image.directory_of_tests()) as self._work:
            self._access, seed = accesses.make(self._work, name=self.name, uplink=uplink)
            attached = self._make_shares({recipe.SEED: seed, **self.shares})
            argv = uplink.command(self._command(built, attached))
            self._started = time.monotonic()
            with running(argv, log=self._work / "qemu.log") as self._process:
                yield self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    @property
    def access(self) -> Access:
        assert self._access is not None, "the machine runs only inside its with statement"
        return self._access

    @property
    def pid(self) -> int:
        assert self._process is not None, "the machine runs only inside its with statement"
        return self._process.pid

    def run(
        self,
        command: str,
        *,
        timeout_s: float = 60,
        input: str = "",  # noqa: A002 - the name subprocess gave it
        user: str = "root",
    ) -> Result:
        """Run a shell command and return how it ended, whatever that was."""
        argv = self.access.ssh(command, user=user)
        try:
            done = subprocess.run(
                argv, input=input, capture_output=True, text=True, errors="replace",
                timeout=timeout_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as exc:
            raise CommandFailed(f"`{command}` did not end within {timeout_s:g} s") from exc
        return Result(command, done.returncode, done.stdout, done.stderr)

    def output(
        self,
        command: str,
        *,
        timeout_s: float = 60,
        input: str = "",  # noqa: A002
        user: str = "root",
    ) -> str:
        """Return what a command printed; raise CommandFailed if it failed."""
        done = self.run(command, timeout_s=timeout_s, input=input, user=user)
        if done.status != 0:
            said = done.errors or done.output
            raise CommandFailed(describe_failure(["sh", "-c", command], done.status, said))
        return done.output

    def put(self, source: Path, target: str, *, timeout_s: float = 300) -> None:
        """Copy a file or a directory to `target` on the machine."""
        run(self.access.scp(str(source), self.access.remote(target)), timeout_s=timeout_s)

    def get(self, source: str, target: Path, *, timeout_s: float = 300) -> None:
        """Copy a file or a directory of the machine to `target`."""
        run(self.access.scp(self.access.remote(source), str(target)), timeout_s=timeout_s)

    def console(self) -> str:
        """Return what the machine has written to its serial console."""
        assert self._work is not None
        file = self._work / "console.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def _make_shares(self, directories: Mapping[str, Path]) -> dict[str, Path]:
        assert self._work is not None
        return {
            tag: disks.make(directory, self._work / f"{tag}.ext4", label=tag)
            for tag, directory in directories.items()
        }

    def _command(self, built: Image, attached: Mapping[str, Path]) -> list[str]:
        assert self._work is not None
        return command(
            built,
            attached,
            uplink=self.access.uplink,
            console=self._work / "console.log",
            memory_mib=self.memory_mib,
            cpus=self.cpus,
            clock=time.time() + self.ahead_s if self.ahead_s else None,
        )

    def wait_until_it_answers(self) -> None:
        """Wait for its ssh server; raise NodeDidNotBoot if it does not come within its bound."""
        assert self._process is not None
        while not self.access.uplink.is_answered(timeout_s=GREETING_BOUND_S):
            waited_s = time.monotonic() - self._started
            if (status := self._process.poll()) is not None:
                raise NodeDidNotBoot(f"QEMU ended with status {status}: {self._said()}")
            if waited_s > self.boot_bound_s:
                raise NodeDidNotBoot(f"no sshd within {self.boot_bound_s:g} s: {self._said()}")
            time.sleep(POLL_S)
        self.output("true")
        self.boot_s = time.monotonic() - self._started

    def _said(self) -> str:
        assert self._work is not None
        log = (self._work / "qemu.log").read_text(errors="replace")
        return "\n".join((log + self.console()).strip().splitlines()[-CONSOLE_LINES:])


@contextmanager
def together(machines: Sequence[VM]) -> Iterator[None]:
    """Run machines that boot side by side."""
    with ExitStack() as stack:
        for each in machines:
            stack.enter_context(each.booting())
        for each in machines:
            each.wait_until_it_answers()
        yield


def command(
    built: Image,
    shares: Mapping[str, Path],
    *,
    uplink: Uplink,
    console: Path,
    memory_mib: int,
    cpus: int,
    clock: float | None = None,
) -> list[str]:
    """Return the QEMU command line; a share's tag is its disk's serial number.

    `clock` is what the machine takes for the present, in seconds since 1970.
    """
    argv = ["qemu-system-x86_64", "-machine", "q35", *accelerators(), "-cpu", CPU]
    argv += ["-m", str(memory_mib), "-smp", str(cpus), "-nodefaults", "-no-user-config"]
    argv += ["-display", "none", "-serial", f"file:{quoted(console)}"]
    argv += ["-kernel", str(built.kernel), "-initrd", str(built.initrd)]
    argv += ["-append", f"root=LABEL={recipe.LABEL} rw console=ttyS0 quiet {FAST}"]
    argv += ["-drive", f"{drive('root', built.disk)},snapshot=on,cache=unsafe"]
    argv += ["-device", "virtio-blk-pci,drive=root"]
    for tag, disk in shares.items():
        argv += ["-drive", f"{drive(tag, disk)},readonly=on"]
        argv += ["-device", f"virtio-blk-pci,drive=share-{tag},serial={tag}"]
    argv += uplink.qemu
    if clock is not None:
        argv += ["-rtc", f"base={datetime.fromtimestamp(clock, UTC):%Y-%m-%dT%H:%M:%S}"]
    # Without a source of randomness an emulated host waits for its first key exchange.
    argv += ["-object", "rng-random,id=rng,filename=/dev/urandom"]
    argv += ["-device", "virtio-rng-pci,rng=rng"]
    return argv


def accelerators(cpuinfo: Path = CPUINFO) -> list[str]:
    """Return options by which QEMU takes the first accelerator that works.

    A /dev/kvm alone is not enough: some clouds have one that runs only kernels made for
    it, on which QEMU aborts, or Debian's kernel never gets to its first line.
    """
    emulated = ["-accel", "tcg,thread=multi"]
    flags = {word for line in cpuinfo.read_text().splitlines() for word in line.split()}
    return ["-accel", "kvm", *emulated] if flags & VIRTUALIZES else emulated


def drive(name: str, file: Path) -> str:
    identity = name if name == "root" else f"share-{name}"
    return f"file={quoted(file)},format=raw,if=none,id={identity}"


def quoted(path: Path) -> str:
    """Return a path as a value among QEMU's options, which commas separate."""
    return str(path).replace(",", ",,")


@contextmanager
def running(argv: Sequence[str], *, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run QEMU; it ends with the context, or with the process that started it."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            # Both keep the pid, so what is ended is what was started.
            ["setpriv", "--pdeathsig", "KILL", "sh", "-c", TIED, "sh", str(os.getpid()), *argv],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            # The overlay is a file without a name in there; memory would be too dear.
            env={**os.environ, "TMPDIR": str(log.parent)},
            # Ctrl-C reaches the tester alone, who then ends it in order.
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_BOUND_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
