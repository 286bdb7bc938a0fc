"""Can the kernel run nodes: overlays, namespaces, its log?"""

import errno
import os
import shutil
import tempfile
from pathlib import Path

from lab.doctor import throwaway
from lab.doctor.findings import Finding, one_line
from lab.errors import CommandFailed

NAMESPACES = ("net", "mount", "pid", "uts", "ipc", "cgroup")

# What a node does to its root: change a file, remove one, and start programs from the
# directories that are bound into it.
_WRITE_THROUGH = """\
mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/root"
echo changed > "$1/root/changed"
rm "$1/root/removed"
[ "$(cat "$1/upper/changed")" = changed ] || { echo 'a write was lost' >&2; exit 1; }
[ ! -e "$1/root/removed" ] || { echo 'a removed file is still there' >&2; exit 1; }
"$1/program" || { echo 'programs cannot be started there (noexec)' >&2; exit 1; }
"""


def overlay(data: Path) -> Finding:
    """Mount an overlay where the nodes' will lie, and write through it."""
    place = existing(data)
    where = f"below {place}, on {file_system(place)}"
    try:
        _try_overlay(place)
    except (CommandFailed, OSError) as exc:
        reason = exc.message if isinstance(exc, CommandFailed) else str(exc)
        return Finding(
            "overlay",
            False,
            f"no overlay can be used {where}: {one_line(reason)}",
            "export XDG_DATA_HOME=DIRECTORY, one on ext4, xfs or btrfs and not mounted noexec",
        )
    return Finding("overlay", True, f"an overlay works {where}")


def _try_overlay(place: Path) -> None:
    directory = Path(tempfile.mkdtemp(prefix=".lab-doctor-", dir=place))
    try:
        _prepare(directory)
        throwaway.in_mounts(_WRITE_THROUGH, str(directory))
    finally:
        shutil.rmtree(directory)


def _prepare(directory: Path) -> None:
    for name in ("lower", "upper", "work", "root"):
        (directory / name).mkdir()
    (directory / "lower/changed").write_text("original\n")
    (directory / "lower/removed").touch()
    program = directory / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)


def existing(path: Path) -> Path:
    """Return `path` or its nearest parent that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def file_system(path: Path, mounts: str | None = None) -> str:
    """Return the type of the file system that holds `path`, by the longest mount point above it.

    `mounts` is the text of /proc/self/mounts.
    """
    text = Path("/proc/self/mounts").read_text() if mounts is None else mounts
    resolved, found, kind = path.resolve(), Path("/"), "an unknown file system"
    for line in text.splitlines():
        target, fstype = line.split(" ")[1:3]
        # Of two mounts on one place the later one covers the earlier.
        if resolved.is_relative_to(target) and Path(target).is_relative_to(found):
            found, kind = Path(target), fstype
    return kind


def namespaces() -> Finding:
    if not throwaway.refuses(*NAMESPACES):
        return Finding("namespaces", True, f"can be made: {', '.join(NAMESPACES)}")
    refused = [kind for kind in NAMESPACES if throwaway.refuses(kind)]
    return Finding(
        "namespaces",
        False,
        f"cannot be made: {', '.join(refused) or 'all kinds together'}",
        "a kernel that makes them, or a container with CAP_SYS_ADMIN (docker run --privileged)",
    )


def kmsg(path: Path = Path("/dev/kmsg")) -> Finding:
    """Kubelets read the kernel's log and end when they cannot."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return Finding("kmsg", False, f"{path} is missing", f"mknod -m 600 {path} c 1 11")
    except OSError as exc:
        reason = f"{path} cannot be read: {exc.strerror}"
        return Finding("kmsg", False, reason, "a host or container with CAP_SYSLOG")
    try:
        os.read(descriptor, 8192)
    except OSError as exc:
        # Nothing new to read, or older lines were overwritten meanwhile: it works.
        if exc.errno not in (errno.EAGAIN, errno.EPIPE):
            reason = f"{path} cannot be read: {exc.strerror}"
            return Finding("kmsg", False, reason, "a host or container with CAP_SYSLOG")
    finally:
        os.close(descriptor)
    return Finding("kmsg", True, f"{path} is readable")
