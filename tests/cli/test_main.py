"""From an error to text, hint and exit code: the one place where that happens."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import cli
from lab.errors import Interrupted, LabBusy, LabError, NoSpace, NoSuchLab


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[BaseException], tuple[int, str, str]]:
    """Return what lab does when its command ends with an exception: code, stdout, stderr."""

    def run(exception: BaseException) -> tuple[int, str, str]:
        def fail() -> None:
            raise exception

        monkeypatch.setattr(cli, "app", fail)
        monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return (int(caught.value.code or 0), *capsys.readouterr())

    return run


Run = Callable[[BaseException], tuple[int, str, str]]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LabError("it broke"), 4),
        (NoSuchLab("it broke"), 2),
        (NoSpace("it broke"), 4),
        (LabBusy("it broke"), 4),
        (Interrupted("it broke"), 130),
    ],
)
def test_an_error_is_one_line_on_stderr_and_its_own_exit_code(
    run: Run, error: LabError, code: int
) -> None:
    assert run(error) == (code, "", "Error: it broke\n")


SECOND_SIGNAL = """
import os, signal
from lab import cli
from lab.cli import _output

def app():
    os.kill(os.getpid(), signal.SIGINT)

show = _output.show_error

def show_error(error):
    os.kill(os.getpid(), signal.SIGTERM)
    show(error)

cli.app, _output.show_error = app, show_error
cli.main()
"""


def test_a_second_signal_makes_no_traceback_of_the_first() -> None:
    argv = [sys.executable, "-c", SECOND_SIGNAL]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.returncode == 130
    assert done.stderr.startswith("Error: interrupted\n")
    assert "Traceback" not in done.stderr


def test_a_hint_stands_below_the_error(run: Run) -> None:
    assert run(LabError("it broke", hint="lab doctor"))[2] == "Error: it broke\nHint: lab doctor\n"


def test_what_lab_does_not_know_is_called_a_bug_with_the_place(run: Run) -> None:
    code, out, err = run(ValueError("surprise"))

    assert (code, out) == (70, "")
    assert "ValueError: surprise" in err
    assert err.endswith("Error: this is a bug in lab; the lines above say where\n")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "no space left for /data/x"),
        (errno.EDQUOT, "no space left for /data/x"),
        (errno.EACCES, "permission denied for /data/x"),
        (errno.EROFS, "read-only file system for /data/x"),
        (errno.ENOTDIR, "not a directory for /data/x"),
        (errno.EISDIR, "is a directory for /data/x"),
    ],
)
def test_a_host_that_refuses_a_file_is_no_bug(run: Run, number: int, said: str) -> None:
    code, _, err = run(OSError(number, os.strerror(number), "/data/x"))

    assert code == 4
    assert err.startswith(f"Error: {said}\nHint: ")


def test_any_other_failure_of_the_system_is_a_bug(run: Run) -> None:
    code, _, err = run(FileNotFoundError(errno.ENOENT, "No such file", "/data/x"))

    assert code == 70
    assert "FileNotFoundError" in err


def test_a_reader_who_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    environ = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    script = "import sys; sys.argv = ['lab', 'list', '--json']; from lab.cli import main; main()"
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, "-c", script], stdout=writing, stderr=subprocess.PIPE, env=environ
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (0, b"")


def test_an_error_that_cannot_be_printed_keeps_its_exit_code(tmp_path: Path) -> None:
    environ = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    script = "import sys; sys.argv = ['lab', 'status']; from lab.cli import main; main()"

    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-c", script], stderr=full, env=environ)

    assert done.returncode == 2


@pytest.mark.parametrize("answer", [b"n\n", b"\x04"], ids=["no", "end of input"])
def test_what_is_not_confirmed_is_interrupted(tmp_path: Path, answer: bytes) -> None:
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    arguments = ["lab", "artifacts", "prune", "--all"]
    script = f"import sys; sys.argv = {arguments}; from lab.cli import main; main()"
    ours, theirs = os.openpty()
    os.write(ours, answer)

    done = subprocess.run(
        [sys.executable, "-c", script], stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    )
    said = os.read(ours, 4096).decode()
    os.close(theirs)
    os.close(ours)

    assert done.returncode == 130
    assert "not confirmed; nothing was removed" in said
