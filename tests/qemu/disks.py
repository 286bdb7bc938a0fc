"""Turn a directory into a disk image, with owners, modes and device nodes as they are.

`mke2fs -d` writes the files itself: no loop device and no mount on the host. Debian's
cloud kernel has no 9p, so this is also how directories get into a virtual machine.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import InvalidValue
from lab.machines.commands import run

BLOCK = 4096
# Inode tables, block maps and the blocks of directories and long attribute lists.
OVERHEAD = 1.1
LEAST = 4 * 1024**2
LABEL_LIMIT = 16


@dataclass(frozen=True, slots=True)
class Extent:
    """What a directory takes on a disk: blocks of files, and number of names."""

    blocks: int
    names: int

    def size(self, *, inode_size: int = 256) -> int:
        """Return a size in bytes that surely holds it, in whole blocks."""
        needed = int((self.blocks * BLOCK + self.inodes() * inode_size) * OVERHEAD) + LEAST
        return -(-needed // BLOCK) * BLOCK

    def inodes(self) -> int:
        # The first eleven are the file system's own.
        return self.names + 64


def measure(directory: Path) -> Extent:
    sizes = [path.lstat().st_size for path in walk(directory)]
    return Extent(sum(-(-size // BLOCK) for size in sizes), len(sizes))


def walk(directory: Path) -> Iterable[Path]:
    yield directory
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            yield Path(parent, name)


def make(directory: Path, image: Path, *, label: str, size: int | None = None) -> Path:
    """Write `directory` to the new sparse file `image` as ext4; without `size` just as large.

    A disk of just its size has no journal either: it is for reading.
    """
    if not 0 < len(label) <= LABEL_LIMIT or not label.replace("-", "").isalnum():
        raise InvalidValue(f"label {label!r} is not 1 to {LABEL_LIMIT} letters, digits and dashes")
    if not directory.is_dir():
        raise InvalidValue(f"{directory} is not a directory that could become a disk")
    extent = measure(directory)
    image.touch(mode=0o600)
    options = ["-q", "-F", "-t", "ext4", "-b", str(BLOCK), "-m", "0", "-O", "^has_journal"]
    if size is None:
        options += ["-I", "256", "-N", str(extent.inodes())]
    blocks = (size or extent.size()) // BLOCK
    argv = ["mke2fs", *options, "-L", label, "-d", str(directory), str(image), str(blocks)]
    run(argv, timeout_s=300, env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"})
    return image
