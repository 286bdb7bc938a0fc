"""Run the service until it is told to stop. `python -m lab.chirps serve`

Everything but a mistake in the configuration is survived: without a database the process runs,
says so in /startupz and /readyz, and tries again. A gate (CHIRPS_GATE) may ask for more before
the start: it stands behind the listener, so that probes are answered while it waits, and
before the pool, so that a process that waits holds no connections.
"""

import asyncio
import gc
import logging
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import uvicorn

from lab.chirps import (
    defects,
    dependencies,
    discriminator,
    liveness,
    logs,
    readiness,
    releases,
    server,
    settings,
    worker,
)
from lab.chirps.app import make_app
from lab.chirps.bounded import LastResort
from lab.chirps.database import make_pool
from lab.chirps.discriminator import Discriminator
from lab.chirps.drain import CLOSE_POOL_S
from lab.chirps.envelope import Stamp, new_request_id
from lab.chirps.errors import BadConfiguration, NoSuchRelease, NoSuchTrack, Refused
from lab.chirps.gate_entry import Entry, make_gate
from lab.chirps.gate_keeper import Gate, gate_check
from lab.chirps.liveness import Pulse
from lab.chirps.migrate import known_schema
from lab.chirps.protocol import protocol_class
from lab.chirps.reach import Reach
from lab.chirps.readiness import Policy, Readiness
from lab.chirps.releases import Release
from lab.chirps.server import Server, Stages
from lab.chirps.settings import Settings
from lab.chirps.state import State

logger = logging.getLogger(__name__)

# Below the bound of its stage, which would cut it off; connecting is not worth a wait.
LET_POOL_END_S = 0.75 * CLOSE_POOL_S
LET_CONNECTING_END_S = 0.2
BACKLOG = 1024
# Longer than clients keep an idle connection: who closes first risks to close under a request.
KEEP_ALIVE_S = 75


def serve(environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM. Raises BadConfiguration, and Refused when the port is taken."""
    asked = settings.read(environ, needs_code=True)
    release, schema_version = find_in_image(asked)
    logs.set_up(asked)
    with server.leaving_at_once():
        listener = listen(asked)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(run(asked, release, schema_version, listener))


def find_in_image(asked: Settings) -> tuple[Release, int]:
    """Return the release's code and the newest version among the migrations.

    Raises BadConfiguration with all that is not in this image.
    """
    mistakes = []
    release = version = None
    try:
        release = releases.load(asked.code)
    except NoSuchRelease as error:
        mistakes.append(f"CHIRPS_CODE: {error}")
    try:
        version = known_schema(asked.track)
    except NoSuchTrack as error:
        mistakes.append(f"CHIRPS_TRACK: {error}")
    try:
        if release is not None:
            worker.statement_of(release, asked.worker)
    except BadConfiguration as error:
        mistakes.extend(f"CHIRPS_WORKER: {each}" for each in error.mistakes)
    try:
        defects.parse(asked.defect)
    except BadConfiguration as error:
        mistakes.extend(error.mistakes)
    if release is None or version is None or mistakes:
        raise BadConfiguration(mistakes)
    return release, version


async def run(
    asked: Settings, release: Release, known_schema: int, listener: socket.socket
) -> None:
    """Serve until told to stop; raises what the gate ended the process with."""
    gate = make_gate(asked, release, known_schema)
    state = make_state(asked, release, known_schema, gate)
    stages, last_resort = Stages(), LastResort()
    http = Server(
        http_config(state),
        state.drain,
        stages,
        graceful_s=asked.graceful_s,
        last_resort=last_resort,
    )
    entry = Entry(state, gate)

    def end() -> None:
        http.should_exit = True
        last_resort.exit_code = 0 if entry.failure is None else entry.failure.exit_code

    port = listener.getsockname()[1]
    logger.info("serving", extra={"port": port, "code": asked.code, "node": asked.node})
    if state.defects.names:
        logger.warning("defects", extra={"defects": state.defects.names})
    # What is made until here lives as long as the process: no collection needs to look at it.
    gc.freeze()
    async with asyncio.TaskGroup() as group:
        watchers = [
            group.create_task(entry.run(end)),
            group.create_task(readiness.watch(state.readiness)),
            group.create_task(liveness.watch(state.pulse)),
            group.create_task(defects.run(state.defects)),
            group.create_task(work(entry, state, worker.statement_of(release, asked.worker))),
        ]
        await http.serve(sockets=[listener])
        await server.end(watchers, partial(close_pool, state), stages, last_resort)
    if entry.failure is not None:
        raise entry.failure


async def work(entry: Entry, state: State, statement: str | None) -> None:
    """Do what the release does beside requests, as soon as there is a pool; None is nothing."""
    await entry.opened.wait()
    if statement is not None:
        author = state.settings.application_name
        await worker.watch(worker.Work(), state.database, statement, author=author)


async def close_pool(state: State) -> None:
    within_s = LET_POOL_END_S if state.readiness.is_started else LET_CONNECTING_END_S
    await state.pool.close(timeout=within_s)


def make_state(
    asked: Settings, release: Release, known_schema: int, gate: Gate | None = None
) -> State:
    reach, pulse, private = Reach(), Pulse(), Discriminator()
    wrong = defects.parse(asked.defect)
    pool = make_pool(asked, reach)
    database = defects.database_with(wrong, pool, reach)
    checks = [
        *(() if gate is None else (gate_check(gate),)),
        *dependencies.all_checks(
            database, reach, pulse, private, partial(discriminator.look, asked)
        ),
        *defects.checks_with(wrong),
    ]
    return State(
        settings=asked,
        release=defects.release_with(wrong, release),
        pool=pool,
        database=database,
        readiness=Readiness(checks, Policy(asked.readiness)),
        known_schema=known_schema,
        pulse=pulse,
        discriminator=private,
        defects=wrong,
    )


def http_config(state: State) -> uvicorn.Config:
    """Return uvicorn's settings: httptools where it is installed, no logs of its own."""
    stamp = Stamp(state.settings, state.schema, state.drain)
    return uvicorn.Config(
        make_app(state),
        http=protocol_class(lambda: stamp.headers(new_request_id())) or "auto",
        lifespan="off",
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        backlog=BACKLOG,
    )


def listen(asked: Settings) -> socket.socket:
    try:
        return socket.create_server((asked.host, asked.port), backlog=BACKLOG)
    except OSError as error:
        raise Refused(f"cannot listen on {asked.host}:{asked.port}: {error.strerror}") from error


def loop_factory() -> Callable[[], Any] | None:
    """Return uvloop's where it is installed, else None: the standard one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
