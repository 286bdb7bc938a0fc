"""What is answered when the time for finishing runs out under a request?

The server cancels what is still running then. Left to itself it would answer a bare 500; this
says what happened: the same request may succeed on a sibling.
"""

import asyncio

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.chirps.failures import Failure

CUT_OFF = Failure(503, "the pod is leaving and its time has run out", None, retryable=True)


class CutOff:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except asyncio.CancelledError:
            if has_begun:
                raise
            # Nobody waits for this task to be cancelled: it ends with its answer.
            response = JSONResponse(CUT_OFF.answer(), CUT_OFF.status, CUT_OFF.headers())
            await response(scope, receive, send)
