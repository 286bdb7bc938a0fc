"""What each worker process does from its start to its end."""

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from lab.observer import child, rundir, schedule, streamfile
from lab.observer.audit import auditor, store
from lab.observer.audit.readback import read_back
from lab.observer.child import Stop
from lab.observer.database.sampler import Sampler
from lab.observer.health import Health, family_cpu_time_s
from lab.observer.load import Load
from lab.observer.spec import LoadSpec
from lab.observer.stream import Stream
from lab.observer.ticks import ticking
from lab.observer.transport import Transport
from lab.observer.watch.apiserver import Access, ApiServer
from lab.observer.watch.listwatch import Follower
from lab.observer.watch.resources import resources

LOAD_NICE = -10

Worker = Callable[[Path, Stop], Awaitable[None]]


def run(worker: Worker, directory: Path) -> None:
    """Run a worker until its standard input closes or its work is done."""

    async def main() -> None:
        stop = Stop()
        listening = asyncio.create_task(child.until_asked_to_end(stop))
        try:
            await worker(directory, stop)
        finally:
            listening.cancel()

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(main())


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return how uvloop makes a loop, None where there is no uvloop."""
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return None


async def watch(directory: Path, stop: asyncio.Event) -> None:
    """Follow what the cluster does."""
    spec, _ = rundir.load(directory)
    with _stream(directory, "watch") as stream:
        async with ticking(stream, stop), ApiServer(Access.of_pod()) as api:
            wanted = resources(namespace=spec.namespace, service=spec.service)
            followers = [Follower(api, each, stream.write) for each in wanted]
            await _until(stop, *(each.run() for each in followers))


async def database(directory: Path, stop: asyncio.Event) -> None:
    """Sample the database."""
    spec, _ = rundir.load(directory)
    with _stream(directory, "database") as stream:
        async with ticking(stream, stop):
            await Sampler(stream.write, hz=spec.sample_hz).run(stop)


async def audit(directory: Path, _: asyncio.Event) -> None:
    """Compare what was acknowledged with what is stored; it is always done to its end."""
    spec, _instance = rundir.load(directory)
    invariants = json.loads((directory / rundir.INVARIANTS).read_text())
    lines = streamfile.complete_lines(directory / f"load{streamfile.SUFFIX}")
    with _stream(directory, "audit") as stream:
        async with await store.connect() as connection, _transport(spec, kept=0) as transport:
            for each in invariants:
                found = await store.value(connection, each)
                stream.write({"kind": "invariant", "t": time.monotonic_ns(), **found})
            await auditor.audit(
                lines,
                stream.write,
                stored=lambda refs: store.stored(connection, refs),
                read_through=lambda wanted: read_back(
                    transport,
                    wanted,
                    run=spec.run,
                    start=time.monotonic_ns(),
                    per_s=spec.audit_per_s,
                ),
            )


async def load(directory: Path, stop: Stop) -> None:
    """Put the load on the service; a reason to end too early is told in its stream."""
    spec, _ = rundir.load(directory)
    facts = {**child.raise_priority(LOAD_NICE), "uvloop": "uvloop" in sys.modules}
    with _stream(directory, "load", **facts) as stream:
        async with _transport(spec, kept=spec.keepalive_connections) as transport:
            # What stands now stands for ever, so nothing of it need be looked at again.
            gc.collect()
            gc.freeze()
            gc.disable()
            await Load(spec, transport, stream.write, health=Health(family_cpu_time_s)).run(
                schedule.requests(
                    spec.seed,
                    rate=spec.rate,
                    arrival=spec.arrival,
                    mix=spec.mix,
                    keepalive_share=spec.keepalive_share,
                ),
                schedule.sessions(spec.seed, rate=spec.sessions_per_s, arrival=spec.arrival),
                stop,
            )
        if stop.reason:
            # So that nobody takes the run, whose streams are whole, for one that went well.
            lost = {"what": "reader", "detail": stop.reason}
            stream.write({"kind": "lost", "t": time.monotonic_ns(), **lost})


def _transport(spec: LoadSpec, *, kept: int) -> Transport:
    return Transport(
        spec.target,
        kept=kept,
        connect_timeout_s=spec.connect_timeout_s,
        total_timeout_s=spec.total_timeout_s,
    )


@contextlib.contextmanager
def _stream(directory: Path, name: str, **facts: Any) -> Iterator[Stream]:
    """Open a stream of the run, and close it only if the work went well.

    A worker that failed leaves its stream without the closing line, as a crash would.
    """
    stream = rundir.open_stream(directory, name, **facts)
    try:
        yield stream
    except BaseException:
        stream.abandon()
        raise
    stream.close()


async def _until(stop: asyncio.Event, *work: Coroutine[Any, Any, None]) -> None:
    """Do all that never ends until `stop`; raises what any of it raises."""
    tasks = [asyncio.create_task(each) for each in work]
    stopping = asyncio.create_task(stop.wait())
    done, rest = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest)
    for task in done:
        task.result()
