"""Build the disk, kernel and initrd of the virtual machine once, and keep them in the cache.

The directory's name holds the key of the recipe, and it appears in one step when it is
complete. Machines write to overlays of their own, so what is here never changes.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts import debian, mmdebstrap
from lab.errors import NotRoot
from lab.files import make_dir
from lab.machines.commands import run
from lab.paths import Paths, find_paths
from tests.qemu import disks, recipe

BUILD_BOUND_S = 900
PREFIX = "systemd-host-"


@dataclass(frozen=True, slots=True)
class Image:
    directory: Path

    @property
    def disk(self) -> Path:
        return self.directory / "disk.ext4"

    @property
    def kernel(self) -> Path:
        return self.directory / "kernel"

    @property
    def initrd(self) -> Path:
        return self.directory / "initrd"


def directory_of_tests(paths: Paths | None = None) -> Path:
    found = paths or find_paths()
    return make_dir(found.cache / "tests", owner=found.caller)


def ensure(parent: Path | None = None) -> Image:
    """Return the image of this recipe, built now if it is not in the cache."""
    parent = parent or directory_of_tests()
    image = Image(parent / f"{PREFIX}{recipe.key()}")
    if not image.directory.exists():
        with locked(parent / f"{PREFIX}lock"):
            if not image.directory.exists():
                build(image, parent)
    return image


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(image: Image, parent: Path) -> None:
    """Build beside the final place; what earlier recipes or killed builders left goes first."""
    if os.geteuid() != 0:
        raise NotRoot("the test image can only be built as root", hint="run the same with sudo")
    for old in parent.glob(f"{PREFIX}*/"):
        shutil.rmtree(old)
    # Only root may enter: the tree holds programs that make their caller root.
    partial = Path(tempfile.mkdtemp(dir=parent, prefix=f"{PREFIX}partial-"))
    try:
        tree = partial / "tree"
        install(tree, scratch=make_scratch(partial))
        configure(tree)
        fill(Image(partial), tree)
        partial.rename(image.directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def make_scratch(partial: Path) -> Path:
    scratch = partial / "scratch"
    for name, text in recipe.INITRD_FILES.items():
        file = scratch / "initrd" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return scratch


def install(tree: Path, *, scratch: Path) -> None:
    sources = scratch / "debian.sources"
    found = debian.find_sources(root=Path("/"), environ=os.environ)
    sources.write_text("\n".join(source.to_deb822() for source in found))
    argv = ["mmdebstrap", *options(scratch), debian.SUITE, str(tree), str(sources)]
    run(argv, timeout_s=BUILD_BOUND_S, env={"LC_ALL": "C.UTF-8", "TMPDIR": str(scratch)})


def options(scratch: Path) -> Iterator[str]:
    yield from ("--mode=root", "--variant=minbase", "--format=directory", "--quiet")
    yield f"--include={','.join(recipe.PACKAGES)}"
    yield "--dpkgopt=force-unsafe-io"
    yield from (f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.EXCLUDED)
    yield '--aptopt=Acquire::Languages "none"'
    yield from (f"--aptopt={line}" for line in mmdebstrap.host_proxy())
    # Before the kernel's own installation, which makes the initrd.
    yield f"--essential-hook=sync-in {scratch / 'initrd'} /"
    for user in (recipe.USER, recipe.POWERLESS):
        yield f'--customize-hook=chroot "$1" useradd --create-home --shell /bin/bash {user}'


def configure(tree: Path) -> None:
    for path in (path for pattern in recipe.REMOVED for path in tree.glob(pattern)):
        path.unlink()
    for name, target in recipe.LINKS.items():
        link = tree / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    for name, (mode, text) in recipe.FILES.items():
        file = tree / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
        file.chmod(mode)


def fill(image: Image, tree: Path) -> None:
    """Make the three files of the image from the tree, which goes away."""
    shutil.copyfile(tree / "vmlinuz", image.kernel)
    shutil.copyfile(tree / "initrd.img", image.initrd)
    disks.make(tree, image.disk, label=recipe.LABEL, size=recipe.DISK_SIZE)
    for name in ("tree", "scratch"):
        shutil.rmtree(image.directory / name)
    os.sync()
