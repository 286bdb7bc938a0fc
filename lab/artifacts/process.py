"""Run a program of the host for a build: as the right user, line by line, never outliving lab."""

import os
import pwd
import shlex
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.errors import BuildFailed, NoSpace, ToolMissing
from lab.paths import Caller, Paths

TETHER = Path(__file__).with_name("tether.py")
TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, where, with which variables on top of lab's own, and as whom."""

    argv: tuple[str, ...]
    cwd: Path
    owner: Caller
    variables: Mapping[str, str]

    def pasteable(self) -> str:
        """Return it in a form that can be pasted into a shell."""
        settings = [f"{name}={shlex.quote(value)}" for name, value in self.variables.items()]
        words = " ".join([*settings, shlex.join(self.argv)])
        return f"(cd {shlex.quote(str(self.cwd))} && {words})"


@dataclass(frozen=True, slots=True)
class Ended:
    status: int
    tail: tuple[str, ...]


def run(command: Command, *, is_progress: Callable[[str], bool] = lambda _: False) -> Ended:
    """Run to the end; `is_progress` gets each line of its output and error output.

    Lines it claims are left out of the tail: they would hide why a program failed.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with tethered(command) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if not is_progress(line.rstrip()):
                tail.append(line.rstrip())
        status = process.wait()
    return Ended(status, tuple(tail))


@contextmanager
def tethered(command: Command) -> Iterator[subprocess.Popen[str]]:
    """Start it below a tether; whoever leaves early ends the program first."""
    owner = command.owner
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(TETHER), str(owner.uid), str(owner.gid), *command.argv],
        cwd=command.cwd,
        env=environment(owner, command.variables, environ=os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # Ctrl-C on the terminal must reach lab alone, which then ends the program in order.
        start_new_session=True,
    )
    with process:
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait()


def environment(
    owner: Caller, variables: Mapping[str, str], *, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return lab's own variables with the home of `owner`, whose settings the program reads."""
    name = pwd.getpwuid(owner.uid).pw_name
    return {**environ, "HOME": str(owner.home), "USER": name, "LOGNAME": name, **variables}


def require_success(command: Command, ended: Ended, *, what: str, paths: Paths) -> None:
    """Raise BuildFailed with what a person needs to try it by hand, or NoSpace."""
    if ended.status == 0:
        return
    output = "\n".join(f"  {line}" for line in ended.tail)
    # All that builds write lies below the cache: see `lab.artifacts.layout`.
    if "no space left on device" in output.lower():
        raise NoSpace(f"no space left for {paths.cache}", hint="lab artifacts prune --build")
    failure = f"{what} could not be built: exit status {ended.status} of"
    raise BuildFailed(
        f"{failure}\n  {command.pasteable()}\n{output}",
        hint="lab doctor; lab artifacts build tries again and keeps what was built",
    )


def require_tool(found: str | None, name: str, *, package: str) -> str:
    if found is None:
        raise ToolMissing(f"{name} is not installed", hint=f"apt install {package}")
    return found
