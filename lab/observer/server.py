"""Serve runs over HTTP: start, stop, audit, and what the streams hold so far."""

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from lab.observer import child, rundir, streamfile
from lab.observer.runs import Conflict, Runs, Start
from lab.observer.spec import LoadSpec, SpecInvalid, is_name
from lab.observer.streamfile import SUFFIX, OffsetPastEnd
from lab.observer.watchdog import Watchdog

RUNS: web.AppKey[Runs] = web.AppKey("runs", Runs)
INSTANCE: web.AppKey[str] = web.AppKey("instance", str)
INSTANCE_HEADER = "X-Observer-Instance"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make(directory: Path, *, watchdog: Watchdog, start: Start = child.start) -> web.Application:
    """Return the application whose runs lie below `directory`.

    `start` starts a worker; `watchdog` tells when nobody asks for a run any more.
    """
    instance = secrets.token_hex(8)
    app = web.Application(middlewares=[_note_reader, _answer_errors])
    app[INSTANCE] = instance
    app[RUNS] = Runs(directory, instance=instance, watchdog=watchdog, start=start)
    app.on_response_prepare.append(_name_instance)
    app.on_cleanup.append(_abandon)
    app.add_routes(
        [
            web.get("/healthz", _healthz),
            web.get("/clock", _clock),
            web.post("/runs", _start),
            web.post("/runs/{run}/stop", _stop),
            web.post("/runs/{run}/audit", _audit),
            web.get("/runs/{run}/streams", _streams),
            web.get("/runs/{run}/streams/{name}", _read),
            web.delete("/runs/{run}", _delete),
        ]
    )
    return app


async def serve(
    directory: Path, *, host: str, port: int, abandon_s: float, stop: asyncio.Event
) -> None:
    """Serve until `stop`; its port goes to standard output when it listens.

    A run that nobody asks for within `abandon_s` seconds ends itself.
    """
    runner = web.AppRunner(make(directory, watchdog=Watchdog(abandon_s)), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    print(f"listening on {host}:{runner.addresses[0][1]}", flush=True)  # noqa: T201 - for its starter
    try:
        await stop.wait()
    finally:
        await runner.cleanup()


async def _healthz(request: web.Request) -> web.Response:
    runs = request.app[RUNS]
    return web.json_response(
        {
            "instance": request.app[INSTANCE],
            "run": runs.run,
            "state": runs.state,
            "error": runs.error,
            "processes": runs.processes,
        }
    )


async def _clock(_: web.Request) -> web.Response:
    return web.json_response({"monotonic_ns": time.monotonic_ns(), "wall_ns": time.time_ns()})


async def _start(request: web.Request) -> web.Response:
    spec = LoadSpec.parse(await request.json())
    await request.app[RUNS].start(spec)
    return web.json_response({"run": spec.run}, status=201)


async def _stop(request: web.Request) -> web.Response:
    request.app[RUNS].stop(request.match_info["run"])
    return web.json_response({}, status=202)


async def _audit(request: web.Request) -> web.Response:
    content = await request.json()
    invariants = content.get("invariants", []) if isinstance(content, dict) else None
    if not isinstance(invariants, list) or not all(map(_is_invariant, invariants)):
        raise SpecInvalid("an audit is {'invariants': [{'name', 'sql'}]}")
    await request.app[RUNS].audit(request.match_info["run"], invariants)
    return web.json_response({}, status=202)


def _is_invariant(content: object) -> bool:
    return (
        isinstance(content, dict)
        and set(content) == {"name", "sql"}
        and all(isinstance(value, str) for value in content.values())
    )


async def _streams(request: web.Request) -> web.Response:
    found = []
    for path in rundir.streams(_directory(request)):
        extent = streamfile.measure(path)
        found.append({"name": path.stem, "size": extent.size, "closed": extent.closed})
    return web.json_response({"streams": found})


async def _read(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    path = _directory(request) / f"{name}{SUFFIX}"
    if not is_name(name) or not path.is_file():
        raise KeyError(name)
    content, extent = streamfile.read(path, _offset(request))
    headers = {
        "X-Stream-Size": str(extent.size),
        "X-Stream-Closed": "true" if extent.closed else "false",
    }
    return web.Response(body=content, headers=headers, content_type="application/x-ndjson")


async def _delete(request: web.Request) -> web.Response:
    await request.app[RUNS].delete(request.match_info["run"])
    return web.json_response({})


def _directory(request: web.Request) -> Path:
    return request.app[RUNS].directory(request.match_info["run"])


def _offset(request: web.Request) -> int:
    text = request.query.get("offset", "0")
    if not text.isdecimal():
        raise SpecInvalid(f"offset {text!r} is not a number of bytes")
    return int(text)


@web.middleware
async def _note_reader(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whoever names the run wants it. Health and clock are asked for by probes as well."""
    if run := request.match_info.get("run"):
        request.app[RUNS].heard_of(run)
    return await handler(request)


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (SpecInvalid, json.JSONDecodeError) as exc:
        return web.json_response({"error": str(exc)}, status=400)
    except KeyError as exc:
        return web.json_response({"error": f"there is no {exc.args[0]!r}"}, status=404)
    except Conflict as exc:
        return web.json_response({"error": str(exc)}, status=409)
    except OffsetPastEnd as exc:
        return web.json_response({"error": str(exc)}, status=416)


async def _name_instance(request: web.Request, response: web.StreamResponse) -> None:
    response.headers[INSTANCE_HEADER] = request.app[INSTANCE]


async def _abandon(app: web.Application) -> None:
    await app[RUNS].abandon()
