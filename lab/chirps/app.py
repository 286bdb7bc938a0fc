"""The whole service as one ASGI application.

Envelope         headers of every answer
  Accounts       log line and count of every answer
    Starlette    routes, and every failure turned into an answer that names it
"""

import psycopg
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from lab.chirps import failures
from lab.chirps.accounts import SQLSTATE, Accounts
from lab.chirps.cutoff import CutOff
from lab.chirps.endpoints.chirps import Chirps
from lab.chirps.endpoints.operations import Operations
from lab.chirps.endpoints.page import Page
from lab.chirps.endpoints.reading import Rejected
from lab.chirps.endpoints.users import Users
from lab.chirps.envelope import Envelope
from lab.chirps.state import State


def make_app(state: State) -> ASGIApp:
    settings = state.settings
    routes = [
        *Chirps(state.release, state.database).routes(),
        *Page(release=settings.release, pod=settings.pod).routes(),
        *Users(state.database).routes(),
        *Operations(state).routes(),
    ]
    inner = Starlette(
        routes=routes,
        exception_handlers={
            psycopg.Error: answer_database_error,
            Rejected: answer_rejection,
            HTTPException: answer_http_exception,
            ClientDisconnect: answer_nobody,
            Exception: answer_bug,
        },
    )
    # A redirect would be one more answer for a question nobody asks.
    inner.router.redirect_slashes = False
    counted = Accounts(CutOff(inner), state.tally, settings.release)
    return Envelope(counted, settings, state.schema, state.drain)


def answer(
    status: int, error: str, headers: dict[str, str] | None = None, *, retryable: bool = False
) -> Response:
    """Answer a failure that is not the database's."""
    body = {"error": error, "sqlstate": None, "retryable": retryable}
    return JSONResponse(body, status_code=status, headers=headers)


# Starlette calls a handler in a thread unless it is a coroutine function.
async def answer_database_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, psycopg.Error)
    failure = failures.explain(error)
    request.scope[SQLSTATE] = failure.sqlstate
    return JSONResponse(failure.answer(), status_code=failure.status, headers=failure.headers())


async def answer_rejection(request: Request, error: Exception) -> Response:
    assert isinstance(error, Rejected)
    return answer(error.status, error.error, error.headers)


async def answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answer(error.status_code, error.detail, dict(error.headers or {}))


async def answer_nobody(request: Request, error: Exception) -> Response:
    """The client went away while it was still sending; what is returned goes nowhere."""
    return answer(400, "the request did not arrive whole")


async def answer_bug(request: Request, error: Exception) -> Response:
    """Starlette raises the error again after this answer, and the server logs where it was."""
    return answer(500, f"a bug in the service: {type(error).__name__}")
