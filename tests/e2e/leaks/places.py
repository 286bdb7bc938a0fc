"""Where a secret of a lab may not be: what is shown, told, logged, or open to others."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.e2e.home import all_pids
from tests.e2e.leaks.find import Place
from tests.e2e.leaks.walk import disks, own_files, read, walk

TMP = Path("/tmp")
# Tests write what they like there, in a directory that is closed to others.
OF_TESTS = "pytest-of-"
# A file of that size is an image or a program.
MAX_BYTES = 4 << 20
JOURNAL_FIELDS = "--output-fields=MESSAGE,_CMDLINE"


def of_lab(lab: Path) -> Iterator[Place]:
    """Yield what the lab's directory has: logs, journals and what is open to others."""
    since = begun(lab)
    yield from logs(lab)
    yield from journals(lab)
    yield from open_files(lab, since)
    for disk in disks(lab):
        for top in (disk.upper / "tmp", disk.upper / "var/tmp"):
            yield from any_files(top, since)


def begun(lab: Path) -> float:
    """Return since when the lab has secrets: its keys are the first of them."""
    return min((path.stat().st_mtime for path in (lab / "keys").glob("*")), default=0.0) - 1


def shown(texts: Iterable[bytes]) -> Iterator[Place]:
    """Yield command lines and environments; the name of each is its first word."""
    for text in texts:
        first = text.split(b"\0")[0].split(b"=")[0][:80].decode(errors="replace")
        yield f"a command line or an environment, which begins with {first}", text


def processes() -> Iterator[Place]:
    """Yield what every process of the host, and of the nodes on it, shows now."""
    for pid in all_pids():
        process = Path("/proc", str(pid))
        yield from shown([read(process / "cmdline"), read(process / "environ")])


def logs(lab: Path) -> Iterator[Place]:
    """Yield what is written to be read: whoever asks for help hands it on, whatever its mode."""
    for each in own_files(lab):
        if each.path.parent.name != "keys" and each.path.suffix in (".log", ".json", ".jsonl"):
            yield str(each.path), read(each.path)
    for disk in disks(lab):
        for each in walk(disk.upper / "var/log"):
            if each.path.suffix not in (".journal", ".journal~"):
                yield str(each.path), read(each.path)


def journals(lab: Path) -> Iterator[Place]:
    """Yield each node's journal, read from its disk; long messages are compressed there."""
    for disk in disks(lab):
        directory = disk.upper / "var/log/journal"
        if directory.is_dir():
            yield f"journal of {disk.name}", journal(directory)


def journal(directory: Path) -> bytes:
    argv = ["journalctl", f"--directory={directory}", "--output=export", JOURNAL_FIELDS, "--all"]
    done = subprocess.run([*argv, "--no-pager"], capture_output=True, check=False, timeout=120)
    return done.stdout + done.stderr


def open_files(lab: Path, since: float) -> Iterator[Place]:
    """Yield lab's own files that are not for their owner only, and what a node's users can read.

    What was written before the lab had secrets holds none of them.
    """
    found = [each.path for each in own_files(lab) if each.mode & 0o077]
    for disk in disks(lab):
        for tree in (*disk.trees, disk.containerd):
            found += [
                each.path
                for each in walk(tree)
                if each.open_to and each.written >= since and each.size <= MAX_BYTES
            ]
    return ((str(path), read(path)) for path in found)


def any_files(top: Path, since: float = 0.0) -> Iterator[Place]:
    """Yield the files of a directory into which nothing secret goes at all, like /tmp."""
    for each in walk(top):
        if each.written >= since and each.size <= MAX_BYTES:
            inside = each.path.relative_to(top).parts
            if not inside[0].startswith(OF_TESTS):
                yield str(each.path), read(each.path)
