"""A process in the place of a container: its port, its log and its end."""

import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lab.twin.container import Process, environment

SERVES = """import json, sys, time
print("a line before")
print(json.dumps({"event": "serving", "port": 4321}), file=sys.stderr)
time.sleep(60)
"""


class Heard:
    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.lost: list[str] = []


def run(
    program: str, log: Path, scene: Callable[[Process, Heard], Awaitable[None]], **given: str
) -> None:
    async def play() -> None:
        heard = Heard()
        process = Process(
            [sys.executable, "-c", program],
            given,
            log,
            changed=heard.changed.set,
            lost=heard.lost.append,
        )
        try:
            async with asyncio.timeout(40):
                await scene(process, heard)
        finally:
            process.signal(signal.SIGKILL)
            await process.wait()

    asyncio.run(play())


def test_its_port_is_read_from_its_log(tmp_path: Path) -> None:
    async def scene(process: Process, heard: Heard) -> None:
        await heard.changed.wait()
        assert process.port == 4321

    run(SERVES, tmp_path / "a log", scene)

    assert (tmp_path / "a log").read_text().startswith("a line before\n")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, 137), (signal.SIGINT, 130)]
)
def test_the_end_by_a_signal_is_an_exit_code(number: int, code: int, tmp_path: Path) -> None:
    program = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)\n" + SERVES

    async def scene(process: Process, heard: Heard) -> None:
        await heard.changed.wait()
        process.signal(number)
        assert await process.wait() == code
        process.signal(signal.SIGTERM)
        assert process.pid is None

    run(program, tmp_path / "log", scene)


def test_its_last_line_is_kept(tmp_path: Path) -> None:
    async def scene(process: Process, _: Heard) -> None:
        assert await process.wait() == 78
        assert process.last_words() == "no such release"

    run("import sys; print('x'); print('no such release'); sys.exit(78)", tmp_path / "log", scene)


def test_a_signal_that_comes_before_it_is_started_reaches_it(tmp_path: Path) -> None:
    async def scene(process: Process, _: Heard) -> None:
        process.signal(signal.SIGKILL)
        assert await process.wait() == 137

    run(SERVES, tmp_path / "log", scene)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_once_and_the_process_goes_on() -> None:
    async def scene(process: Process, heard: Heard) -> None:
        assert await process.wait() == 0
        assert process.last_words() == "9999"
        assert heard.lost == ["/dev/full: No space left on device"]

    run("for n in range(10000): print(n)", Path("/dev/full"), scene)


def test_variables_of_the_caller_that_would_set_up_the_service_are_left_out() -> None:
    given = environment({"PGHOST": "prod", "CHIRPS_GATE": "off", "HOME": "/h"}, {"PGPORT": "1"})

    assert given == {"HOME": "/h", "PYTHONUNBUFFERED": "1", "PGPORT": "1"}


def test_no_thread_is_left(tmp_path: Path) -> None:
    async def scene(process: Process, _: Heard) -> None:
        await process.wait()

    run("pass", tmp_path / "a short life", scene)

    for thread in named("a short life"):
        # It told of the end as the last thing it did, and may have a few instructions to go.
        thread.join(40)
    assert named("a short life") == []


def named(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]
