"""What each worker process does from its start to its end."""

import asyncio
import contextlib
import gc
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from lab.observer import child, rundir, schedule
from lab.observer.health import Health, family_cpu_time_s
from lab.observer.load import Load
from lab.observer.transport import Transport

LOAD_NICE = -10

Worker = Callable[[Path, asyncio.Event], Awaitable[None]]


def run(worker: Worker, directory: Path) -> None:
    """Run a worker until its standard input closes or its work is done."""

    async def main() -> None:
        stop = asyncio.Event()
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


async def load(directory: Path, stop: asyncio.Event) -> None:
    """Put the load on the service."""
    spec, _ = rundir.load(directory)
    facts = {**child.raise_priority(LOAD_NICE), "uvloop": "uvloop" in sys.modules}
    stream = rundir.open_stream(directory, "load", **facts)
    try:
        async with Transport(
            spec.target,
            kept=spec.keepalive_connections,
            connect_timeout_s=spec.connect_timeout_s,
            total_timeout_s=spec.total_timeout_s,
        ) as transport:
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
    finally:
        stream.close()
