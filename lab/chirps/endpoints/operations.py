"""What the platform and the operator ask: probes, version, metrics."""

import time
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.chirps import liveness, metrics
from lab.chirps.liveness import Liveness
from lab.chirps.metrics import Family, counter, gauge
from lab.chirps.state import State

UNHEALTHY = 503
# Gauges of psycopg_pool.get_stats(); everything else it counts only grows.
POOL_GAUGES = ("pool_min", "pool_max", "pool_size", "pool_available", "requests_waiting")


class Operations:
    def __init__(self, state: State) -> None:
        self._state = state
        self._liveness = Liveness(
            liveness.Policy(state.settings.liveness),
            state.pulse,
            state.discriminator,
            state.database,
        )

    def routes(self) -> list[Route]:
        return [
            Route("/livez", self.livez, methods=["GET"], name="livez"),
            Route("/readyz", self.readyz, methods=["GET"], name="readyz"),
            Route("/startupz", self.startupz, methods=["GET"], name="startupz"),
            Route("/version", self.version, methods=["GET"], name="version"),
            Route("/metrics", self.metrics, methods=["GET"], name="metrics"),
        ]

    async def livez(self, request: Request) -> Response:
        answer = await self._liveness.answer(time.monotonic())
        return probe(answer, good=answer["alive"])

    async def readyz(self, request: Request) -> Response:
        draining = self._state.drain.draining
        answer = self._state.readiness.answer(draining=draining, now=time.monotonic())
        return probe(answer, good=answer["ready"])

    async def startupz(self, request: Request) -> Response:
        answer = self._state.readiness.start_answer(time.monotonic())
        return probe(answer, good=answer["started"])

    async def version(self, request: Request) -> Response:
        settings, schema = self._state.settings, self._state.schema
        age_s = schema.age_s(time.monotonic())
        return JSONResponse(
            {
                "release": settings.release,
                "code": settings.code,
                "number": self._state.release.NUMBER,
                "required_schema": self._state.release.REQUIRED_SCHEMA,
                "known_schema": self._state.known_schema,
                "schema": schema.version,
                "schema_age_s": None if age_s is None else round(age_s, 3),
            }
        )

    async def metrics(self, request: Request) -> Response:
        text = metrics.render(families(self._state))
        return Response(text, headers={"Content-Type": metrics.CONTENT_TYPE})


def probe(answer: dict[str, object], *, good: bool) -> Response:
    return JSONResponse(answer, status_code=200 if good else UNHEALTHY)


def families(state: State) -> Iterable[Family]:
    now = time.monotonic()
    settings, tally = state.settings, state.tally
    yield gauge(
        "chirps_info", "Which release runs where.", 1,
        release=settings.release, code=settings.code, pod=settings.pod, node=settings.node,
    )  # fmt: skip
    yield Family(
        "chirps_requests_total", "counter", "Answers, by endpoint, status and SQLSTATE.",
        [
            (
                {
                    "endpoint": endpoint,
                    "status": str(status),
                    "sqlstate": sqlstate,
                    "release": settings.release,
                },
                count,
            )
            for (endpoint, status, sqlstate), count in sorted(tally.answers.items())
        ],
    )  # fmt: skip
    yield Family(
        "chirps_request_seconds_total", "counter", "Time spent on answers, by endpoint.",
        [({"endpoint": endpoint}, spent) for endpoint, spent in sorted(tally.seconds.items())],
    )  # fmt: skip
    yield gauge("chirps_requests_in_flight", "Requests being answered now.", tally.in_flight)
    yield gauge("chirps_schema_version", "Schema version as last seen.", state.schema.version)
    yield gauge("chirps_schema_age_seconds", "How long ago that was.", state.schema.age_s(now))
    yield gauge("chirps_draining", "1 from SIGTERM on.", state.drain.draining)
    yield gauge("chirps_ready", "1 when /readyz says so.", state.readiness.is_ready(now))
    private = state.discriminator.is_private
    yield gauge("chirps_pool_broken", "1 when the pool is broken in this process only.", private)
    yield gauge("chirps_event_loop_lag_seconds", "Lateness of the last tick.", state.pulse.lag_s)
    yield from pool_families(state)


def pool_families(state: State) -> Iterable[Family]:
    """Yield what psycopg_pool counts; it leaves out what is still zero."""
    stats = state.pool.get_stats()
    for name in POOL_GAUGES:
        help_ = f"psycopg_pool's {name}."
        yield gauge(f"chirps_pool_{name.removeprefix('pool_')}", help_, stats.pop(name, 0))
    for name, value in sorted(stats.items()):
        yield counter(f"chirps_pool_{name}_total", f"psycopg_pool's {name}.", value)
