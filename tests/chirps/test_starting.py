"""A real process is told to stop before it has imported its own code."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BOUND_S = 60.0
# In the place of a library: it takes as long to import as the test likes.
SLOW = "import sys; sys.stdout.write('importing\\n'); sys.stdout.flush(); sys.stdin.read()"


@contextmanager
def importing(module: str, folder: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run chirps, which is at its import of `module` when this begins."""
    (folder / f"{module}.py").write_text(SLOW)
    path = os.pathsep.join((str(folder), str(Path.cwd())))
    process = subprocess.Popen(
        [sys.executable, "-m", "lab.chirps", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "importing\n"
            yield process
        finally:
            process.kill()


@pytest.mark.timeout(2 * BOUND_S)
def test_a_service_that_is_told_to_stop_while_it_imports_ends_with_0(tmp_path: Path):
    with importing("uvicorn", tmp_path, "serve") as process:
        process.send_signal(signal.SIGTERM)

        assert process.wait(BOUND_S) == 0


@pytest.mark.timeout(2 * BOUND_S)
def test_a_migration_that_was_ended_while_it_imports_does_not_say_that_it_is_done(tmp_path: Path):
    with importing("psycopg", tmp_path, "migrate", "status") as process:
        process.send_signal(signal.SIGTERM)

        assert process.wait(BOUND_S) == -signal.SIGTERM
