"""Directories of twins: who may enter, who removes them, and what if there is no room."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import HostUnfit, NoSpace
from lab.twin import workplace
from lab.twin.tether import send_signal, tethered
from lab.twin.workplace import Workplace

ROOT = os.geteuid() == 0
HOLDER = """
import os, subprocess, sys, time
from lab.twin.tether import tethered
from lab.twin.workplace import Workplace
place = Workplace.new(needs_bytes=0)
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
held = subprocess.Popen(tethered(sleeper, alive=place.lock))
print(held.pid, place.path, flush=True)
time.sleep(600)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a space in its path that everybody can reach."""
    with tempfile.TemporaryDirectory(prefix="a b", dir="/tmp") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture
def environ(place: Path) -> dict[str, str]:
    return {"TMPDIR": str(place)}


def new(environ: dict[str, str], *, needs_bytes: int = 0) -> Workplace:
    return Workplace.new(environ=environ, needs_bytes=needs_bytes)


def left(place: Path) -> list[str]:
    return sorted(each.name for each in (place / f"lab-twin-{os.geteuid()}").iterdir())


def test_nobody_else_can_look_into_it(environ: dict[str, str]) -> None:
    with new(environ) as made:
        for path in (made.path.parent, made.path):
            assert stat.S_IMODE(path.stat().st_mode) == (0o711 if ROOT else 0o700)
        assert stat.S_IMODE(made.directory("passwords").stat().st_mode) == 0o700


def test_nothing_is_left_of_one_that_was_closed(environ: dict[str, str], place: Path) -> None:
    with new(environ) as made:
        (made.directory("logs") / "a log").write_text("x")
    assert made.close()

    assert left(place) == ["lock"]


def test_two_at_once_do_not_touch_each_other(environ: dict[str, str]) -> None:
    with new(environ) as one, new(environ) as other:
        assert one.path != other.path
        one.close()
        assert other.path.is_dir()
        with new(environ):
            assert other.path.is_dir()


@contextlib.contextmanager
def holder(place: Path) -> "Iterator[tuple[subprocess.Popen[str], int, Path]]":
    """Start who has a workplace and a process in it; give it, the process and the path."""
    command = [sys.executable, "-c", HOLDER]
    environ = {**os.environ, "TMPDIR": str(place), "XDG_RUNTIME_DIR": ""}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        held, path = process.stdout.readline().strip().split(" ", 1)
        try:
            yield process, int(held), Path(path)
        finally:
            process.kill()
            send_signal(int(held), signal.SIGKILL)


def test_the_next_one_removes_what_a_killed_one_left(environ: dict[str, str], place: Path) -> None:
    with holder(place) as (process, held, path):
        with new(environ):
            assert path.is_dir()
        process.kill()
        process.wait()
        wait_for_end(held)

        with new(environ) as made:
            assert left(place) == sorted(["lock", made.path.name, made.lock.name])


def wait_for_end(process: int) -> None:
    for _ in range(2000):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            state = subprocess.run(
                ["ps", "-o", "stat=", "-p", str(process)],
                capture_output=True,
                text=True,
                check=False,
            )
            if state.stdout.strip()[:1] in ("Z", ""):
                return
    raise AssertionError(f"process {process} is still there")


def test_one_with_a_process_left_stays_until_that_has_ended(
    environ: dict[str, str], place: Path
) -> None:
    made = new(environ)
    command = tethered([sys.executable, "-c", "print(1, flush=True); input()"], alive=made.lock)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not made.close()
        assert made.path.is_dir()
        with new(environ):
            assert made.path.is_dir()

    with new(environ):
        assert not made.path.exists()


def test_what_cannot_be_removed_keeps_nobody_from_work(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = new(environ)
    os.close(made._descriptor or 0)

    def fail(path: Path) -> None:
        raise PermissionError(path)

    monkeypatch.setattr("shutil.rmtree", fail)
    with contextlib.suppress(PermissionError), new(environ) as other:
        assert other.path.is_dir()
    assert made.path.is_dir()
    monkeypatch.undo()
    workplace.sweep(made.path.parent)

    assert not made.path.exists()


def test_no_room_is_told_with_what_is_needed_and_what_moves_it(environ: dict[str, str]) -> None:
    with pytest.raises(NoSpace, match=r"MB left, and a twin needs 1000000000 MB") as caught:
        new(environ, needs_bytes=10**15)

    assert environ["TMPDIR"] in caught.value.message
    assert caught.value.hint == "set TMPDIR to another directory"


@pytest.mark.skipif(ROOT, reason="root's is closed to whoever runs PostgreSQL")
def test_the_runtime_directory_comes_first(environ: dict[str, str], place: Path) -> None:
    runtime = place / "run"
    runtime.mkdir()
    with new({**environ, "XDG_RUNTIME_DIR": str(runtime)}) as made:
        assert made.path.is_relative_to(runtime)


@pytest.mark.skipif(not ROOT, reason="needs root")
@pytest.mark.parametrize("runtime", ["relative", "/nowhere", "/root"])
def test_a_runtime_directory_that_cannot_be_used_is_passed_over(
    environ: dict[str, str], place: Path, runtime: str
) -> None:
    with new({**environ, "XDG_RUNTIME_DIR": runtime}) as made:
        assert made.path.is_relative_to(place)


def test_a_directory_in_which_others_can_write_is_refused(
    environ: dict[str, str], place: Path
) -> None:
    base = place / f"lab-twin-{os.geteuid()}"
    base.mkdir()
    base.chmod(0o777)

    with pytest.raises(HostUnfit, match="not a directory that you alone"):
        workplace.prepare(place)


def test_a_link_in_its_place_is_refused(place: Path, tmp_path: Path) -> None:
    (place / f"lab-twin-{os.geteuid()}").symlink_to(tmp_path)

    with pytest.raises(HostUnfit, match="not a directory that you alone"):
        workplace.prepare(place)


@pytest.mark.parametrize(
    ("name", "problem"), [("x" * 100, "too long for the path of a socket"), ("a,b", "a comma")]
)
def test_a_path_that_postgresql_cannot_take_is_refused(
    place: Path, name: str, problem: str
) -> None:
    path = place / name
    path.mkdir()

    with pytest.raises(HostUnfit, match=problem):
        workplace.require_fit(path, {})
