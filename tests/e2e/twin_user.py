"""Somebody without rights who plays scenarios on the twin, in directories of their own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.home import Done
from tests.e2e.verdicts import Verdicts, prove

ROOT = Path(__file__).parents[2]


class User:
    """Somebody with directories of their own, whose paths have a space in them."""

    def __init__(self, directory: Path, *, code: Path = ROOT) -> None:
        self.directory = directory / "a user"
        self.temporary = self.directory / "tmp"
        self.begun: list[subprocess.Popen[str]] = []
        self.temporary.mkdir(parents=True)
        for place in (directory, self.directory, self.temporary):
            place.chmod(0o755)
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("LAB_", "XDG_", "PG"))},
            "HOME": str(self.directory),
            "XDG_CACHE_HOME": str(self.directory / "cache"),
            "XDG_DATA_HOME": str(self.directory / "data"),
            "XDG_STATE_HOME": str(self.directory / "state"),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(code),
        }

    def begin(self, *arguments: str, below: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        command = [*below, sys.executable, "-P", "-m", "lab", "scenario", "run", *arguments]
        running = subprocess.Popen(
            [*command, "--stage", "twin", "--json"],
            env=self.environ,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        self.begun.append(running)
        return running

    def end(self) -> None:
        """End what a test that failed left."""
        for each in self.begun:
            with each:
                each.kill()

    def play(self, *arguments: str, below: tuple[str, ...] = ()) -> Done:
        running = self.begin(*arguments, below=below)
        out, err = running.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, running.returncode, out, err)

    def prove(self, *arguments: str, below: tuple[str, ...] = ()) -> Verdicts:
        return prove(lambda: self.play(*arguments, below=below))

    @property
    def workplaces(self) -> list[Path]:
        """Return what twins have made in the directory for temporary files."""
        return [
            path
            for base in self.temporary.iterdir()
            for path in base.glob("[!.]*")
            if path.name != "lock"
        ]

    @property
    def processes(self) -> list[int]:
        """Return the processes that work below this user's directories."""
        return [
            pid
            for pid in map(int, filter(str.isdecimal, (p.name for p in Path("/proc").iterdir())))
            if mentions(pid, str(self.directory))
        ]


def mentions(pid: int, text: str) -> bool:
    for name in ("environ", "cmdline"):
        try:
            if text.encode() in Path(f"/proc/{pid}/{name}").read_bytes():
                return True
        except OSError:
            continue
    return False
