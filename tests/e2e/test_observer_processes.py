"""The observer as it runs in its pod: real processes, one of which is killed."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from tests.observer.loading import content
from tests.observer.process import observer, requests
from tests.observer.service import Line, Received, answer, serving

pytestmark = pytest.mark.e2e
SPEC = content(
    rate=200,
    sessions_per_s=5,
    watch=False,
    database=False,
    connect_timeout_s=20,
    total_timeout_s=20,
)


async def ended(pid: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            await asyncio.sleep(0.02)


def test_a_run_from_start_to_stop(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving() as service, observer(tmp_path / "runs") as running:
            await running.ask("POST", "/runs", {**SPEC, "target": service.url})
            await running.requests(at_least=200)
            await running.ask("POST", "/runs/r1/stop")
            await running.state("stopped")
            streams = (await running.ask("GET", "/runs/r1/streams"))["streams"]
            lines = await running.read()
            health = await running.ask("GET", "/healthz")

        content = (tmp_path / "runs/r1/load.jsonl").read_bytes()
        assert streams == [{"name": "load", "size": len(content), "closed": True}]
        assert lines == [json.loads(line) for line in content.splitlines()]
        assert (lines[0]["kind"], lines[-1]["kind"]) == ("stream", "closed")
        assert lines[0]["instance"] == health["instance"]
        assert lines[0]["nice_wanted"] == -10
        assert lines[-1]["lines"] == len(lines)
        sent = [line["id"] for line in requests(lines)]
        came = [each.headers["x-request-id"] for each in service.received]
        assert sorted(sent) == sorted(i for i in came if "-s" not in i)
        assert [line["seq"] for line in requests(lines)] == list(range(len(sent)))
        assert any(line["kind"] == "session" for line in lines)
        assert any(line["kind"] == "health" and line["cpu"] > 0 for line in lines)

    asyncio.run(scenario())


def test_ten_seconds_of_silence_cost_no_request(tmp_path: Path) -> None:
    async def scenario() -> None:
        silent = asyncio.Event()
        silent.set()

        async def stall(_: Received, line: Line) -> None:
            await silent.wait()
            await line.send(answer())

        async with serving(stall) as service, observer(tmp_path) as running:
            spec = {**SPEC, "target": service.url, "sessions_per_s": 0, "rate": 100}
            await running.ask("POST", "/runs", spec)
            before = (await running.requests(at_least=50))[-1]
            silent.clear()
            await asyncio.sleep(10)
            silent.set()
            await running.requests(at_least=before["seq"] + 1100)
            await running.ask("POST", "/runs/r1/stop")
            await running.state("stopped")
            lines = requests(await running.read())

        latencies = sorted(line["done"] - line["t"] for line in lines)
        # Sent as planned, answered ten seconds later, and counted from when they were due.
        slow = [each for each in latencies if each > 100_000_000]
        assert len(slow) >= 900
        assert latencies[int(len(latencies) * 0.99)] >= 9_000_000_000
        due = [line["t"] for line in lines]
        assert due[-1] - due[0] == (len(due) - 1) * 10_000_000

    asyncio.run(scenario())


def test_a_killed_load_leaves_a_prefix_without_gaps_and_a_failed_run(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving() as service, observer(tmp_path / "runs") as running:
            await running.ask("POST", "/runs", {**SPEC, "target": service.url})
            await running.requests(at_least=300)
            pid = (await running.ask("GET", "/healthz"))["processes"]["load"]
            os.kill(pid, signal.SIGKILL)
            health = await running.state("failed")
            (stream,) = (await running.ask("GET", "/runs/r1/streams"))["streams"]
            lines = await running.read()

        assert health["error"] == "load was killed by signal 9"
        assert stream["closed"] is False
        found = requests(lines)
        assert len(found) >= 300
        assert [line["seq"] for line in found] == list(range(len(found)))
        # What is missing was sent after the last line, and it is no more than one second.
        came = {each.headers["x-request-id"] for each in service.received}
        assert {line["id"] for line in found} <= came

    asyncio.run(scenario())


def test_a_killed_observer_leaves_no_worker(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving() as service, observer(tmp_path) as running:
            await running.ask("POST", "/runs", {**SPEC, "target": service.url})
            await running.requests(at_least=10)
            load = (await running.ask("GET", "/healthz"))["processes"]["load"]
            os.kill(running.pid, signal.SIGKILL)
            await ended(load)

        # It ended as if it had been asked to: nothing of what it saw is lost.
        last = (tmp_path / "r1/load.jsonl").read_bytes().splitlines()[-1]
        assert json.loads(last)["kind"] == "closed"

    asyncio.run(scenario())


def test_a_run_whose_reader_is_gone_ends_itself_and_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving() as service, observer(tmp_path, "--abandon-s", "3") as running:
            await running.ask("POST", "/runs", {**SPEC, "target": service.url})
            seen = len(await running.requests(at_least=20))
            # From here on it is asked only how it is, as a probe asks.
            health = await running.state("stopped")
            lines = await running.read()
            following = {**SPEC, "target": service.url, "run": "r2"}
            await running.ask("POST", "/runs", following)

        assert (health["error"], health["processes"]) == ("nobody has read for 3 s", {})
        *_, lost, closed = lines
        assert (lost["kind"], lost["what"], lost["detail"]) == ("lost", "reader", health["error"])
        assert (closed["kind"], closed["lines"]) == ("closed", len(lines))
        # It went on meanwhile, and what was sent until then is told.
        assert len(requests(lines)) > seen

    asyncio.run(scenario())


def test_watching_without_a_cluster_fails_the_run_and_says_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        environment = {"KUBERNETES_SERVICE_HOST": "", "KUBERNETES_SERVICE_PORT": ""}
        async with serving() as service, observer(tmp_path, **environment) as running:
            await running.ask("POST", "/runs", {**SPEC, "target": service.url, "watch": True})
            health = await running.state("failed")

        assert health["error"].startswith("watch ended with 1: ")
        assert "not in a pod" in health["error"]

    asyncio.run(scenario())
