"""Put the same load on the target, by our observer's load worker and by vegeta."""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.observer import cpu
from benchmarks.observer.punctuality import Result, lag
from lab.observer import rundir
from lab.observer.spec import LoadSpec
from lab.scenario.load import Load

WARM_UP_S = 1.5
FRACTION = re.compile(r"\.(\d+)")
KEPT = 8


def ours(url: str, *, rate: int, seconds: float, keep: bool) -> Result:
    """Run the load worker as the observer's server does, with nothing but `GET /page`."""
    with scratch() as directory:
        run = directory / "r1"
        load = Load(
            rate=rate,
            mix={"page": 1},
            keepalive_share=1 if keep else 0,
            keepalive_connections=KEPT,
            sessions_per_s=0,
            in_flight_cap=10_000,
        )
        # Of the rest nothing is asked: a page needs no user and no chirp.
        rest = {
            "users": 1,
            "chirps": 1,
            "namespace": "chirps",
            "service": "chirps",
            "audit_per_s": 100,
        }
        spec = LoadSpec.parse({**load.to_json(), "run": "r1", "target": url, **rest})
        rundir.create(run, spec, instance="benchmark")
        process = subprocess.Popen(
            [sys.executable, "-m", "lab.observer", "load", "--dir", run], stdin=subprocess.PIPE
        )
        assert process.stdin is not None
        wait_for_lines(run / "load.jsonl", process)
        time.sleep(WARM_UP_S)
        used = cpu.share(process.pid, seconds=seconds)
        process.stdin.close()
        require(process.wait(), "the load worker")
        lines = map(json.loads, (run / "load.jsonl").read_bytes().splitlines())
        found = [line for line in lines if line["kind"] == "request"]
    failed = sum(line["outcome"] != "ok" for line in found)
    sent = {line["seq"]: line["sent"] for line in found}
    return result("observer", rate, keep, sent, used, failed)


def vegeta(program: Path, url: str, *, rate: int, seconds: float, keep: bool) -> Result:
    """Run `vegeta attack` at the same rate, with the priority that our worker takes."""
    with scratch() as directory:
        binary = directory / "results.bin"
        lasts = WARM_UP_S + seconds + 1
        attack = subprocess.Popen(
            ["nice", "-n", "-10", program, "attack", f"-rate={rate}/1s", f"-duration={lasts}s",
             f"-keepalive={'true' if keep else 'false'}", f"-connections={KEPT}",
             "-timeout=3s", "-redirects=-1", f"-output={binary}"],
            stdin=subprocess.PIPE,
        )  # fmt: skip
        assert attack.stdin is not None
        attack.stdin.write(f"GET {url}/page\n".encode())
        attack.stdin.close()
        time.sleep(WARM_UP_S)
        used = cpu.share(attack.pid, seconds=seconds)
        require(attack.wait(), "vegeta attack")
        encoded = subprocess.run(
            [program, "encode", "-to", "json", binary], capture_output=True, check=True
        )
        found = [json.loads(line) for line in encoded.stdout.splitlines()]
    failed = sum(hit["code"] != 200 for hit in found)
    sent = {hit["seq"]: nanoseconds(hit["timestamp"]) for hit in found}
    return result("vegeta", rate, keep, sent, used, failed)


def result(
    tool: str, rate: int, keep: bool, sent: dict[int, int], used: float, failed: int
) -> Result:
    # What is sent while a program still starts says nothing about the rest of its life.
    steady = {number: at for number, at in sent.items() if number >= rate}
    connections = f"{KEPT} kept" if keep else "one a request"
    return Result(tool, rate, connections, lag(steady, rate=rate), used, len(sent), failed)


def nanoseconds(timestamp: str) -> int:
    """Read RFC 3339 with nine digits, of which datetime would drop three."""
    found = FRACTION.search(timestamp)
    digits = found[1] if found else "0"
    whole = datetime.fromisoformat(FRACTION.sub("", timestamp)).astimezone(UTC)
    return round(whole.timestamp()) * 1_000_000_000 + int(digits.ljust(9, "0"))


def wait_for_lines(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Return when the worker sends: an interpreter takes a while to start on a busy host."""
    while not path.exists() or b"request" not in path.read_bytes():
        if process.poll() is not None:
            raise RuntimeError(f"the load worker ended with {process.returncode}")
        time.sleep(0.05)


def require(status: int, what: str) -> None:
    if status != 0:
        raise RuntimeError(f"{what} ended with {status}")


@contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def as_json(results: list[Result]) -> list[dict[str, Any]]:
    return [
        {
            "tool": each.tool,
            "rate": each.rate,
            "connections": each.connections,
            "lag_ms": {"p50": each.lag.p50, "p99": each.lag.p99, "max": each.lag.greatest},
            "cpu": each.cpu,
            "sent": each.sent,
            "failed": each.failed,
        }
        for each in results
    ]
