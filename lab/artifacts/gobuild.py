"""Compile programs from Go modules that are pinned by their go.sum.

Module and compiler caches of our own lie below the cache's `build/`, so a build
that was interrupted goes on where it stopped and `lab artifacts prune --build`
knows what to remove. What the user set up for Go (proxy, checksum database,
private modules) holds, by environment or by `go env -w`.
"""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.artifacts import layout, process
from lab.artifacts.counter import Counter
from lab.artifacts.gomodule import (
    GoModule,
    GoVersion,
    parse_version,
    read_go_mod,
    show_version,
)
from lab.artifacts.recipe import Workshop, digest_files
from lab.artifacts.recipe import architecture as own_architecture
from lab.artifacts.toolchain import Toolchain, find_toolchain
from lab.files import give_to, make_dir
from lab.paths import Paths

RECIPE_VERSION = "1"
DOWNLOADING = re.compile(r"go: downloading (.+)")
COMPILED = re.compile(r"([^\s:#]+)$")
STALE = "stale "
LIST_NOTHING = "{{if false}}{{end}}"
# What is in the compiler cache already is reported as stale too, but is not compiled again.
LIST_STALE = (
    '{{if and .Stale (ne .StaleReason "not installed but available in build cache")}}'
    + STALE
    + "{{.ImportPath}}{{end}}"
)


@dataclass(frozen=True, slots=True)
class GoPrograms:
    """A recipe: the programs of one module, and the names they are also called by."""

    name: str
    module: Path
    packages: tuple[str, ...] = (".",)
    destination: str = "usr/local/bin"
    links: tuple[str, ...] = ()
    """Other names of the one program; they decide what it acts as."""
    stamps: tuple[tuple[str, str], ...] = ()
    """Linker variables; `{version}`, `{major}` and `{minor}` are those of `stamped_from`."""
    stamped_from: str = ""
    """The required module whose version the stamps tell."""
    architecture: str = field(default_factory=own_architecture)
    """For which machines; the compiler's own is only the default."""

    @property
    def needs(self) -> tuple[str, ...]:
        return ()

    @property
    def owned_by_root(self) -> bool:
        return False

    def inputs(self) -> Mapping[str, str]:
        go = read_go_mod(self.module).go
        return {
            **digest_files(self.module),
            "architecture": self.architecture,
            "destination": self.destination,
            "go": f"{go[0]}.{go[1]}",
            "ldflags": self.ldflags(),
            "links": " ".join(self.links),
            "packages": " ".join(self.packages),
            "recipe": RECIPE_VERSION,
        }

    def ldflags(self) -> str:
        if not self.stamps:
            return "-s -w"
        version = read_go_mod(self.module).requires[self.stamped_from]
        major, minor, _ = parse_version(version)
        values = (
            value.format(version=version, major=major, minor=minor) for _, value in self.stamps
        )
        names = (name for name, _ in self.stamps)
        return " ".join(["-s -w", *(f"-X {n}={v}" for n, v in zip(names, values, strict=True))])

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        module = read_go_mod(self.module)
        go = find_toolchain(module.go, paths=workshop.paths, progress=workshop.progress)
        Compilation(self, workshop, go, module).run()
        return {"go": show_version(go.version), **versions_of(module, self.packages)}


def versions_of(module: GoModule, packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of the modules that hold what is built, or of all for a main of ours."""
    if packages == (".",):
        return dict(module.requires)
    return {
        path: version
        for path, version in module.requires.items()
        if any(package.startswith(path) for package in packages)
    }


@dataclass(frozen=True, slots=True)
class Compilation:
    """One run of the Go toolchain for one recipe."""

    recipe: GoPrograms
    workshop: Workshop
    toolchain: Toolchain
    module: GoModule

    def run(self) -> None:
        # A copy, since the installed package may be read-only, or not the caller's to read.
        copy_files(self.recipe.module, self.source, self.workshop.paths)
        for directory in (self.output, *map(Path, go_directories(self.workshop.paths).values())):
            make_dir(directory, owner=self.workshop.paths.caller)
        self.download()
        self.compile(self.count_stale())
        program = self.recipe.name
        for link in self.recipe.links:
            (self.output / link).symlink_to(program)
        for built in self.output.iterdir():
            if not built.is_symlink():
                built.chmod(0o755)

    @property
    def source(self) -> Path:
        return self.workshop.scratch / self.recipe.name

    @property
    def output(self) -> Path:
        return self.workshop.tree / self.recipe.destination

    def download(self) -> None:
        with self.workshop.progress.task(
            f"Downloading the Go modules of {self.recipe.name}"
        ) as task:
            at_most = len(self.module.requires)
            counter = Counter(task, at_most, DOWNLOADING)
            self.go("list", "-deps", "-f", LIST_NOTHING, is_progress=counter.see)

    def count_stale(self) -> int:
        """Return how many packages the build will compile, at most."""
        stale: list[str] = []

        def see(line: str) -> bool:
            if line.startswith(STALE):
                stale.append(line)
            return line.startswith(STALE)

        self.go("list", "-deps", *self.flags(), "-f", LIST_STALE, is_progress=see)
        return len(stale)

    def compile(self, stale: int) -> None:
        with self.workshop.progress.task(f"Compiling {self.recipe.name}") as task:
            flags = (*self.flags(), "-v", "-o", f"{self.output}/")
            self.go("build", *flags, is_progress=Counter(task, stale, COMPILED).see)

    def flags(self) -> tuple[str, ...]:
        # The linker drops debug data, so not to write it changes nothing but the time: 15 %.
        quick = "-gcflags=all=-dwarf=false"
        return ("-trimpath", "-buildvcs=false", quick, "-ldflags", self.recipe.ldflags())

    def go(self, verb: str, *arguments: str, is_progress: Callable[[str], bool]) -> None:
        # Writable modules can be pruned by a user who is not root.
        mode = ("-mod=readonly", "-modcacherw")
        command = process.Command(
            (str(self.toolchain.go), verb, *mode, *arguments, *self.recipe.packages),
            cwd=self.source,
            owner=self.workshop.paths.caller,
            variables=variables(self.workshop.paths, self.recipe.architecture),
        )
        ended = process.run(command, is_progress=is_progress)
        what = f"the module {self.recipe.name}"
        process.require_success(command, ended, what=what, paths=self.workshop.paths)


def variables(paths: Paths, architecture: str) -> dict[str, str]:
    """Return what must hold whatever the user set; all else is theirs."""
    return {
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOARCH": architecture,
        "GOOS": "linux",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        **go_directories(paths),
    }


def go_directories(paths: Paths) -> dict[str, str]:
    directory = layout.build_caches(paths)
    return {
        "GOCACHE": str(directory / "gocache"),
        "GOMODCACHE": str(directory / "gomod"),
        # The checksum database keeps its own cache here.
        "GOPATH": str(directory / "gopath"),
        # Removed with the partial artifact when a build is killed.
        "GOTMPDIR": str(layout.partials(paths) / "gotmp"),
    }


def copy_files(source: Path, target: Path, paths: Paths) -> None:
    make_dir(target, owner=paths.caller)
    for file in source.iterdir():
        if file.is_file():
            give_to(Path(shutil.copy(file, target)), paths.caller)


def newest_go(modules: tuple[Path, ...]) -> GoVersion:
    return max(read_go_mod(module).go for module in modules)
