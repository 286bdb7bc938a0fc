"""Workers from start to end, in this process."""

import asyncio
import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.observer import rundir, streamfile, work
from lab.observer.child import Stop
from lab.observer.health import Health
from lab.observer.load import Load
from lab.observer.spec import LoadSpec
from lab.observer.transport import Transport
from lab.observer.watch.apiserver import Access
from tests.observer.apiserver import Listing, api_server, pod
from tests.observer.loading import plan, spec
from tests.observer.service import Line, Received, answer, serving

Lines = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """The load worker stops the collector for its own good; tests go on living."""
    yield
    gc.unfreeze()
    gc.enable()


def begin(directory: Path, wanted: LoadSpec) -> Path:
    rundir.create(directory / "r1", wanted, instance="i1")
    return directory / "r1"


def lines(run: Path, stream: str) -> Lines:
    return [json.loads(line) for line in streamfile.complete_lines(run / f"{stream}.jsonl")]


def test_the_load_worker_loads_until_it_is_asked_to_end(tmp_path: Path) -> None:
    async def scenario() -> Lines:
        stop = Stop()

        async def count(_: Received, line: Line) -> None:
            if len(service.received) == 30:
                stop.set()
            await line.send(answer())

        async with serving(count) as service:
            run = begin(tmp_path, spec(service.url, rate=500, sessions_per_s=10))
            await work.load(run, stop)
        return lines(run, "load")

    found = asyncio.run(scenario())

    assert (found[0]["kind"], found[0]["run"], found[0]["instance"]) == ("stream", "r1", "i1")
    assert {"nice", "nice_wanted", "uvloop"} <= set(found[0])
    assert found[-1] == {**found[-1], "kind": "closed", "lines": len(found)}
    health = [line for line in found if line["kind"] == "health"][-1]
    requests = [line for line in found if line["kind"] == "request"]
    assert not any(line["kind"] == "lost" for line in found)
    assert health["planned"] == health["done"] == len(requests)


def test_a_load_that_ends_for_a_reason_tells_it_before_its_last_line(tmp_path: Path) -> None:
    async def scenario() -> None:
        stop = Stop()
        stop.reason = "nobody has read for 120 s"
        stop.set()
        async with serving() as service:
            await work.load(begin(tmp_path, spec(service.url)), stop)

    asyncio.run(scenario())

    *_, lost, closed = found = lines(tmp_path / "r1", "load")
    assert {**lost, "t": 0} == {
        "kind": "lost",
        "t": 0,
        "what": "reader",
        "detail": "nobody has read for 120 s",
    }
    assert (closed["kind"], closed["lines"]) == ("closed", len(found))


def test_the_watcher_follows_all_objects_until_it_is_asked_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> Lines:
        stop = Stop()
        run = begin(tmp_path, spec("http://127.0.0.1:1"))
        async with api_server(*(Listing("1", (pod("a", "1"),)) for _ in range(7))) as server:
            monkeypatch.setattr(Access, "of_pod", lambda: Access(server.url))
            watching = asyncio.create_task(work.watch(run, stop))
            await server.done.wait()
            stop.set()
            await watching
        return lines(run, "watch")

    found = asyncio.run(scenario())

    assert [found[n]["kind"] for n in (0, -2, -1)] == ["stream", "tick", "closed"]
    listed = {line["resource"] for line in found if line.get("what") == "listed"}
    assert len(listed) == 7


def test_the_database_worker_samples_and_says_that_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", str(tmp_path))
    found: Lines = []

    async def scenario() -> None:
        stop = Stop()
        run = begin(tmp_path, spec("http://127.0.0.1:1", sample_hz=50.0))
        working = asyncio.create_task(work.database(run, stop))
        async with asyncio.timeout(40):
            while not any(line["kind"] == "tick" for line in found):
                await asyncio.sleep(0.02)
                found[:] = lines(run, "database") if (run / "database.jsonl").exists() else []
        stop.set()
        await working
        found[:] = lines(run, "database")

    asyncio.run(scenario())

    assert {line["kind"] for line in found} == {"stream", "db", "tick", "closed"}
    ticks = [line for line in found if line["kind"] == "tick"]
    assert ticks[0]["t"] - found[0]["t"] == 1_000_000_000
    assert {line["stream"] for line in ticks} == {"database"}
    assert [line["kind"] for line in found[-2:]] == ["tick", "closed"]
    assert found[-1]["lines"] == len(found)


def test_a_worker_that_fails_leaves_its_stream_open(tmp_path: Path) -> None:
    run = begin(tmp_path, spec("http://127.0.0.1:1"))

    async def scenario() -> None:
        with pytest.raises(RuntimeError, match="not in a pod"):
            await work.watch(run, Stop())

    asyncio.run(scenario())

    assert [line["kind"] for line in lines(run, "watch")] == ["stream"]


def test_a_load_that_cannot_write_ends_and_says_why() -> None:
    async def scenario() -> None:
        def full(_: object) -> None:
            raise OSError("no space is left")

        async with serving() as service:
            wanted = spec(service.url, rate=100)
            transport = Transport(service.url, kept=1, connect_timeout_s=5, total_timeout_s=5)
            load = Load(wanted, transport, full, health=Health(lambda: 0.0))
            with pytest.raises(OSError, match="no space is left"):
                # It would last for ten minutes.
                await load.run(plan(wanted, 60_000), [], asyncio.Event())

    asyncio.run(scenario())


def test_a_worker_is_told_what_the_server_was_told(tmp_path: Path) -> None:
    wanted = spec("http://10.0.0.1:80", seed=9, mix={"page": 1.0}, hot_authors=(4,))

    assert rundir.load(begin(tmp_path, wanted)) == (wanted, "i1")
    with pytest.raises(FileExistsError):
        begin(tmp_path, wanted)
