"""Who may ask for what? The page is for this host, and what acts for whoever has the token.

Other pages in the same browser can send requests to loopback, too: a name that was made to lead
here (DNS rebinding) is refused by its Host, a form of another page by its Origin, and neither can
know the token.
"""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import PlainTextResponse

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
# The report brings a stricter one, with the hashes of its own scripts.
WITH_A_POLICY_OF_ITS_OWN = "/report"


def make_token() -> str:
    return secrets.token_urlsafe(24)


class Guard:
    """Let requests through to `app` that were meant for `port` of loopback."""

    def __init__(self, app: App, *, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = dict(HEADERS)
                if scope["path"] != WITH_A_POLICY_OF_ITS_OWN:
                    headers["content-security-policy"] = POLICY
                more = [(name.encode(), value.encode()) for name, value in headers.items()]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        refusal = self._refusal(scope)
        answer = PlainTextResponse(refusal, status_code=403) if refusal else self._app
        await answer(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> str:
        host, origin = _header(scope, b"host"), _header(scope, b"origin")
        if host not in self._hosts:
            return "this page is for 127.0.0.1"
        if origin and origin not in {f"http://{each}" for each in self._hosts}:
            return "this page answers no other page"
        return ""


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def has_token(authorization: str, token: str) -> bool:
    """Tell whether the header Authorization carries `token`."""
    return secrets.compare_digest(authorization.encode(), f"Bearer {token}".encode())
