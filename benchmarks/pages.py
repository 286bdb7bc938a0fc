"""python -m benchmarks.pages: what do the pages of a run cost?

Size of a report of ten minutes at 200 requests a second, and how long a browser takes to open it
from a disk; how far the live page is behind what happened; how much CPU the server takes with one
viewer and with thirty; and how late they make the thread that plays, where `lab demo` serves from
the same process. The run is made up, and its lines are written as a run writes them: every
quarter of a second.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.machine import describe_machine, load_average
from lab.report import page, view
from tests.pages.browsing import browsing, drawn, page_of
from tests.report import judged, synthetic

RATE, LENGTH_S = 200, 600
BATCH_S = 0.25
OPENED = 5
READY_S = (26.3, 135.6, 244.8, 354.1)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30, help="how long each way is measured")
    options = parser.parse_args(argv)
    say(f"{describe_machine()}, load {load_average()}")
    with tempfile.TemporaryDirectory(prefix="lab-pages-") as place:
        measure_report(Path(place))
        for viewers in (1, 30):
            measure_live(Path(place) / f"runs-{viewers}", viewers, options.seconds)
        for viewers in (0, 30):
            measure_playing(Path(place) / f"played-{viewers}", viewers, options.seconds)
    return 0


def measure_report(place: Path) -> None:
    plans = [
        synthetic.Plan(variant, rate=RATE, length_s=LENGTH_S, ready_s=READY_S, new=new, broken=bad)
        for variant, new, bad in (("careless", "v2-naive", True), ("careful", "v2", False))
    ]
    directory = judged.write_run(place, *plans)
    began = time.perf_counter()
    shown = view.load(directory)
    read_s = time.perf_counter() - began
    say(f"two variants of {LENGTH_S} s at {RATE} requests/s, read in {read_s:.1f} s")
    with browsing() as browser:
        for name, plays in (("report", False), ("export", True)):
            path = place / f"{name}.html"
            path.write_text(page.render(shown, plays=plays), encoding="utf-8")
            times = [_open(browser, path) for _ in range(OPENED)]
            say(
                f"{name}: {path.stat().st_size / 1e6:.2f} MB, opens in"
                f" {statistics.median(times):.2f} s (worst of {OPENED}: {max(times):.2f} s)"
            )


def _open(browser: object, path: Path) -> float:
    with page_of(browser) as (tab, _):  # type: ignore[arg-type]
        tab.goto(path.as_uri(), wait_until="load")
        drawn(tab)
        # By the browser's own clock: the charts are drawn before the page counts as loaded.
        told = tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        return float(told) / 1000


@dataclass(slots=True)
class Writer:
    """Writes a run as it goes on, in a thread; `due` are the times of its requests, in ns."""

    history: Path
    due: list[int] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        made = synthetic.history(synthetic.Plan(rate=RATE, length_s=120))
        shift = time.monotonic_ns() - synthetic.START
        waiting = [(each["t"] + shift, each, shift) for each in made.events]
        with self.history.open("ab") as file:
            while waiting and not self.over.wait(BATCH_S):
                now = time.monotonic_ns()
                ripe = [each for each in waiting if each[0] <= now]
                waiting = waiting[len(ripe) :]
                file.write(b"".join(_line(event, t, by) for t, event, by in ripe))
                file.flush()
                os.fsync(file.fileno())
                self.due += [t for t, event, _ in ripe if event["kind"] == "request"]


def _line(event: synthetic.Event, t: int, shift: int) -> bytes:
    told = {**event, "t": t}
    if "done" in told:
        told["done"] += shift
    return json.dumps(told).encode() + b"\n"


@contextlib.contextmanager
def _written(directory: Path) -> Iterator[Writer]:
    """A run that goes on in `directory`, from three seconds before."""
    history = directory / "careless" / "history.jsonl"
    history.parent.mkdir(parents=True)
    history.touch()
    (directory / "run.json").write_text(json.dumps(judged.RUN))
    writer = Writer(history)
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        time.sleep(3)
        yield writer
    finally:
        writer.over.set()
        thread.join()


def measure_live(runs: Path, viewers: int, seconds: float) -> None:
    with _serving(runs) as (process, port), _written(_directory(runs)) as writer:
        before, began = _cpu_s(process.pid), time.monotonic()
        frames = asyncio.run(_look_on(port, viewers, seconds))
        share = (_cpu_s(process.pid) - before) / (time.monotonic() - began)
    delays = sorted(_delays(writer.due, frames))
    at = [delays[int(len(delays) * part)] for part in (0.5, 0.99)] if delays else [0.0, 0.0]
    say(
        f"live page, {viewers} viewers: {share:.0%} of a core, {len(frames) / seconds:.1f}"
        f" frames/s, behind the event by {at[0]:.2f} s (p50), {at[1]:.2f} s (p99)"
    )


def _directory(runs: Path) -> Path:
    return runs / "half-migrated-rename" / judged.NAME


def measure_playing(runs: Path, viewers: int, seconds: float) -> None:
    directory = _directory(runs)
    command = [sys.executable, "-m", "benchmarks.pages_playing", str(directory), str(seconds)]
    with (
        _written(directory),
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout
        port = int(process.stdout.readline())
        asyncio.run(_look_on(port, viewers, seconds + 1))
        late = sorted(json.loads(process.stdout.readline()))
    at = [1000 * late[int(len(late) * part)] for part in (0.5, 0.99)]
    say(
        f"demonstration, {viewers} viewers: {len(late)} looks of the thread that plays, late by"
        f" {at[0]:.1f} ms (p50), {at[1]:.1f} ms (p99), {1000 * late[-1]:.1f} ms (worst)"
    )


@contextlib.contextmanager
def _serving(runs: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    command = [sys.executable, "-m", "lab", "serve", "--port", "0", "--runs", str(runs)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        port = int(process.stderr.readline().split("127.0.0.1:")[1].split("/")[0])
        try:
            yield process, port
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


Frame = tuple[int, int]
"""When a frame came, and the newest event it tells of, in ns of the monotonic clock."""


async def _look_on(port: int, viewers: int, seconds: float) -> list[Frame]:
    """Let so many look on; return the frames of the last of them."""
    looking = [asyncio.create_task(_look(port)) for _ in range(viewers)]
    await asyncio.sleep(seconds)
    for each in looking:
        each.cancel()
    found = await asyncio.gather(*looking, return_exceptions=True)
    return next((each for each in reversed(found) if isinstance(each, list)), [])


async def _look(port: int) -> list[Frame]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    writer.write(f"GET /frames HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    frames: list[Frame] = []
    with contextlib.suppress(asyncio.CancelledError):
        while line := await reader.readline():
            if line.startswith(b"data: "):
                heard = _heard(json.loads(line[6:]))
                if heard:
                    frames.append((time.monotonic_ns(), heard))
    writer.close()
    return frames


def _heard(told: dict[str, object]) -> int:
    """Return what a whole frame, or what has changed of one, tells of its newest event."""
    changed = told.get("o")
    found = changed.get("heard", {}) if isinstance(changed, dict) else {"=": told.get("heard")}
    value = found.get("=") if isinstance(found, dict) else None
    return value if isinstance(value, int) else 0


def _delays(due: Sequence[int], frames: Sequence[Frame]) -> Iterator[float]:
    """Yield how long after it was due each request was in a frame, in seconds."""
    waiting = iter(frames)
    came, heard = next(waiting, (0, 0))
    first = heard
    for t in due:
        while came and heard < t:
            came, heard = next(waiting, (0, 0))
        if came and t > first:
            yield (came - t) / 1e9


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
