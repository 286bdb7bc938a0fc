"""Two whole twins at once, on a path with a space; and nothing of either is left when it is killed.

Each is started beside the other from an empty cache, as two people on one host would.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lab.twin.workplace import Workplace

HOLDER = Path(__file__).with_name("holder.py")

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("twin"), pytest.mark.timeout(400)]


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="a twin", dir="/tmp") as path:
        Path(path).chmod(0o755)
        yield Path(path)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def told_by(holder: "subprocess.Popen[str]") -> dict[str, Any]:
    assert holder.stdout is not None
    told: dict[str, Any] = json.loads(holder.stdout.readline())
    return told


def test_two_twins_serve_beside_each_other_and_leave_nothing_when_killed(place: Path) -> None:
    command = [sys.executable, str(HOLDER), str(place)]
    with ExitStack() as stack:
        pipe = subprocess.PIPE
        start = partial(subprocess.Popen, command, stdout=pipe, text=True)
        holders = [stack.enter_context(start()) for _ in range(2)]
        for holder in holders:
            stack.callback(holder.kill)
        one, other = map(told_by, holders)
        for each in (one, other):
            with urllib.request.urlopen(f"{each['target']}/chirps?sort=desc", timeout=30) as answer:
                assert answer.status == 200
            assert all(map(is_there, each["processes"]))

        holders[0].kill()

        wait_for(lambda: not any(map(is_there, one["processes"])))
        wait_for(lambda: removed(place, one["path"]))
        assert Path(other["path"]).is_dir()
        assert all(map(is_there, other["processes"]))
        with urllib.request.urlopen(f"{other['target']}/page", timeout=30) as answer:
            assert answer.status == 200

        holders[1].kill()

        wait_for(lambda: not any(map(is_there, other["processes"])))
        wait_for(lambda: removed(place, other["path"]))


def removed(place: Path, path: str) -> bool:
    """Make another workplace, as the next twin would, and tell whether that one is gone."""
    Workplace.new(environ={"TMPDIR": str(place)}, needs_bytes=0).close()
    return not Path(path).exists()
