"""Which processes belong to a lab or to a machine?

By their command line or by their cgroup: what runs inside a node says nothing of the lab
in its command line, and outlives the nspawn that started it.
"""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lab.machines.commands import run
from lab.residue.fingerprint import Facts
from lab.residue.names import lab_ids, names_place

_PROC = Path("/proc")
_BOUND_S = 5.0
_SHOWN = 300
_STARTED_BY_LAB = re.compile(r"(?:^|/)systemd-nspawn\b|\s-m lab\.")


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    parent: int
    started: int
    # Somebody sits before it, at a terminal: it is looked at, not left behind.
    in_foreground: bool
    command: str
    cgroup: str


def read_processes(places: Collection[str], *, proc: Path = _PROC) -> Facts:
    """Return "pid command" → cgroup and start time, without the caller and its parents."""
    known = {process.pid: process for process in _all_processes(proc)}
    own = _line_of(os.getpid(), known)
    return {
        f"{process.pid} {process.command[:_SHOWN]}": f"in {process.cgroup or '/'}, "
        f"started at tick {process.started}"
        for process in known.values()
        if process.pid not in own and is_of_a_lab(process, places)
    }


def is_of_a_lab(process: Process, places: Collection[str]) -> bool:
    if lab_ids(process.cgroup, machines=True):
        return True
    if process.in_foreground:
        return False
    return bool(
        _STARTED_BY_LAB.search(process.command)
        or lab_ids(process.command, machines=True)
        or names_place(process.command, places)
    )


def _line_of(pid: int, known: dict[int, Process]) -> set[int]:
    """Return `pid` and its parents."""
    line: set[int] = set()
    while pid in known and pid not in line:
        line.add(pid)
        pid = known[pid].parent
    return line


def _all_processes(proc: Path) -> list[Process]:
    found = []
    for directory in proc.iterdir():
        if directory.name.isdecimal():
            process = _read(directory)
            if process:
                found.append(process)
    return found


def _read(directory: Path) -> Process | None:
    """Return None for a process that ended, and for a thread of the kernel."""
    try:
        command = (directory / "cmdline").read_bytes()
        if not command:
            return None
        stat = (directory / "stat").read_text(errors="replace")
        cgroup = (directory / "cgroup").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return parse_process(int(directory.name), command, stat, cgroup)


def parse_process(pid: int, command: bytes, stat: str, cgroup: str) -> Process:
    """Take what the files cmdline, stat and cgroup of /proc/PID hold."""
    # The fields from the third on; the second, the name, may hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    parent, group, foreground, started = (int(fields[at]) for at in (1, 2, 5, 19))
    paths = {line.split(":", 2)[2] for line in cgroup.splitlines()} - {"/"}
    words = command.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return Process(pid, parent, started, group == foreground, words, " ".join(sorted(paths)))


def read_units(booted: Path = Path("/run/systemd/system")) -> Facts:
    """Return the units that hold labs and machines, where systemd is PID 1."""
    if not booted.is_dir():
        return {}
    argv = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager"]
    return parse_units(run([*argv, "lab-*", "machine-*"], timeout_s=_BOUND_S))


def parse_units(text: str) -> Facts:
    """Return name → state for lines of UNIT LOAD ACTIVE SUB DESCRIPTION."""
    rows = [line.split() for line in text.splitlines()]
    return {row[0]: " ".join(row[1:4]) for row in rows if len(row) > 3}
