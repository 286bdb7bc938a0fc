"""Build the Debian tree that the images of the sample service and its tools stand on.

A Python, what it and PostgreSQL link against, and a shell to look around with: picked
from packages that are unpacked and never configured. No package manager is left,
so an image is rebuilt and never changed.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from lab.artifacts import bytecode, debian, mmdebstrap
from lab.artifacts.noderoot import make_directory
from lab.artifacts.recipe import Workshop, architecture, digest_text
from lab.errors import BuildFailed
from lab.paths import Caller

RECIPE_VERSION = "2"
PYTHON = "3.11"
PACKAGES = (f"python{PYTHON}-minimal", f"libpython{PYTHON}-stdlib", "busybox-static")
STDLIB = f"usr/lib/python{PYTHON}"

LIBRARIES = (
    *("c", "dl", "m", "nss_dns", "nss_files", "pthread", "resolv", "rt", "util", "gcc_s"),
    *("bz2", "crypt", "crypto", "expat", "ffi", "lzma", "ssl", "uuid", "z"),
)
KEPT = (
    f"usr/bin/python{PYTHON}",
    "usr/bin/busybox",
    "usr/lib/*-linux-gnu/ld-linux-*",
    *(f"usr/lib/*-linux-gnu/lib{name}.so*" for name in LIBRARIES),
    "usr/lib/ld-linux-*",
    "usr/lib64",
    STDLIB,
    "usr/share/doc/*/copyright",
)
# Nothing that serves requests imports these; what they link against is not kept either.
UNUSED_MODULES = (
    *("curses", "dbm", "distutils", "nntplib.py", "pydoc_data", "sqlite3", "telnetlib.py"),
    *("test", "turtle.py", "venv", "wsgiref", "xmlrpc", "sitecustomize.py"),
    *(f"lib-dynload/{name}.*" for name in ("_curses*", "_dbm", "_sqlite3", "nis", "readline")),
    *(f"lib-dynload/{name}*" for name in ("_ctypes_test", "_test", "_xxtest", "xxlimited")),
    *(f"lib-dynload/_codecs_{name}.*" for name in ("cn", "hk", "iso2022", "jp", "kr", "tw")),
    *("lib-dynload/audioop.*", "lib-dynload/ossaudiodev.*"),
    *("doctest.py", "pydoc.py", "unittest"),
    # Character sets that nobody speaks to a service in; zip archives name files in cp437.
    *(f"encodings/{name}*.py" for name in ("big5", "cp[!4]", "cp4[!3]")),
    *(f"encodings/{name}*.py" for name in ("euc_", "gb", "hz", "iso2022_", "iso8859_[2-9]")),
    *(f"encodings/{name}*.py" for name in ("johab", "koi8_", "kz1048", "mac_", "ptcp", "shift_")),
    *("encodings/hp_roman8.py", "encodings/palmos.py", "encodings/tis_620.py"),
)

APPLETS = (
    *("awk", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "df", "dirname", "du"),
    *("echo", "env", "expr", "false", "find", "free", "grep", "head", "hostname", "id", "ip"),
    *("kill", "less", "ln", "ls", "mkdir", "mktemp", "mv", "nc", "netstat", "nslookup", "ping"),
    *("printf", "ps", "pwd", "readlink", "rm", "rmdir", "sed", "seq", "sh", "sha256sum"),
    *("sleep", "sort", "stat", "tail", "tar", "tee", "test", "time", "timeout", "top", "touch"),
    *("tr", "true", "uname", "uniq", "vi", "wc", "wget", "which", "whoami", "xargs"),
)
LINKS = {
    **{name: f"usr/{name}" for name in ("bin", "lib", "lib64", "sbin")},
    "usr/bin/python3": f"python{PYTHON}",
    **{f"usr/bin/{applet}": "busybox" for applet in APPLETS},
}
FILES = {
    "etc/group": "root:x:0:\nchirps:x:1000:\npostgres:x:999:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\n"
        "chirps:x:1000:1000:chirps:/:/bin/sh\n"
        "postgres:x:999:999:postgres:/var/lib/postgresql:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/:/bin/sh\n"
    ),
}
DIRECTORIES = {
    "dev": 0o755,
    "proc": 0o755,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o755,
    "tmp": 0o1777,
    "usr/sbin": 0o755,
    "var/lib": 0o755,
    "var/tmp": 0o1777,
}
LIST_PACKAGES = 'ls "$1/var/cache/apt/archives" > "$1/../packages"'


@dataclass(frozen=True, slots=True)
class PythonBase:
    """A recipe; needs root, since packages are unpacked as root's."""

    name: str = "pythonbase"

    @property
    def needs(self) -> tuple[str, ...]:
        return ()

    @property
    def owned_by_root(self) -> bool:
        return True

    def inputs(self) -> Mapping[str, str]:
        return {
            "architecture": architecture(),
            "configuration": digest_text(repr((KEPT, UNUSED_MODULES, LINKS, FILES, DIRECTORIES))),
            "packages": " ".join(PACKAGES),
            "recipe": RECIPE_VERSION,
            "suite": debian.SUITE,
        }

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        mmdebstrap.require("the base of images")
        unpacked = workshop.scratch / "unpacked"
        with workshop.progress.task("Unpacking a Debian with Python for images"):
            mmdebstrap.bootstrap(unpacked, options(), workshop, what="the base of images")
            pick(unpacked, workshop.tree)
        with workshop.progress.task("Compiling Python's library for images"):
            compile_stdlib(workshop)
        return package_versions((workshop.scratch / "packages").read_text())


def options() -> Iterator[str]:
    yield "--variant=extract"
    yield f"--include={','.join(PACKAGES)}"
    yield '--aptopt=Apt::Install-Recommends "false"'
    # Nothing is installed, so only the files that apt fetched tell the versions.
    yield f"--extract-hook={LIST_PACKAGES}"


def pick(unpacked: Path, tree: Path) -> None:
    """Move what is kept from the unpacked packages into the tree, and add what is ours."""
    for pattern in KEPT:
        # Of a folder that packages share by a link, only the real one.
        found = [path for path in sorted(unpacked.glob(pattern)) if not path.parent.is_symlink()]
        for path in found:
            place = tree / path.relative_to(unpacked)
            make_directory(place.parent)
            path.rename(place)
    for path in (path for name in UNUSED_MODULES for path in (tree / STDLIB).glob(name)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    for name, mode in DIRECTORIES.items():
        make_directory(tree / name)
        (tree / name).chmod(mode)
    for name, target in LINKS.items():
        (tree / name).symlink_to(target)
    for name, text in FILES.items():
        make_directory((tree / name).parent)
        (tree / name).write_text(text)
        (tree / name).chmod(0o644)


def compile_stdlib(workshop: Workshop) -> None:
    """Leave the library as bytecode alone: each file costs every node that imports it."""
    bytecode.compile_tree(
        workshop.tree,
        STDLIB,
        base=workshop.tree,
        owner=Caller(0, 0, Path("/root")),
        workshop=workshop,
        instead=True,
    )


def package_versions(listing: str) -> dict[str, str]:
    """Return versions by package from file names such as `zlib1g_1%3a1.2.13-1_amd64.deb`."""
    names = [line.split("_") for line in listing.splitlines() if line.endswith(".deb")]
    if not names:
        raise BuildFailed(f"no packages were fetched for the base of images, only {listing!r}")
    return {name: unquote(version) for name, version, _ in names}
