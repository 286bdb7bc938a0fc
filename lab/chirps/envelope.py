"""Which headers does every answer carry, whatever it is: 200, 404, 405, 500, 503, a probe?

Pure ASGI, outside of the framework: what the framework answers on its own passes here too.

    X-Chirps-Version   release      X-Chirps-Schema    version of the schema, empty if unknown
    X-Chirps-Pod       pod          X-Chirps-Draining  true from SIGTERM on
    X-Chirps-Node      its node     X-Request-Id       the client's own, or a new one
"""

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.chirps.drain import Drain
from lab.chirps.schema import Schema
from lab.chirps.settings import Settings

REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
CLOSE = (b"connection", b"close")


class Envelope:
    def __init__(self, app: ASGIApp, settings: Settings, schema: Schema, drain: Drain) -> None:
        self._app = app
        self._stamp = Stamp(settings, schema, drain)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = read_request_id(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._stamp.headers(request_id)]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Stamp:
    """The headers as they are at this moment."""

    def __init__(self, settings: Settings, schema: Schema, drain: Drain) -> None:
        self._schema = schema
        self._drain = drain
        self._identity = [
            (b"x-chirps-version", settings.release.encode()),
            (b"x-chirps-pod", settings.pod.encode()),
            (b"x-chirps-node", settings.node.encode()),
        ]

    def headers(self, request_id: bytes) -> list[tuple[bytes, bytes]]:
        draining = self._drain.draining
        headers = [
            *self._identity,
            (b"x-chirps-schema", self._schema.header.encode()),
            (b"x-chirps-draining", b"true" if draining else b"false"),
            (b"x-request-id", request_id),
        ]
        # A client that keeps its connection would come back to a pod that is leaving.
        return [*headers, CLOSE] if draining else headers


def read_request_id(scope: Scope) -> bytes:
    """Return the client's own id; one that could not go into a header or a log is replaced."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return bytes(value)
    return new_request_id()


def new_request_id() -> bytes:
    return secrets.token_hex(8).encode()
