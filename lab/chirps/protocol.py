"""What is answered to bytes that are not HTTP? The application never sees them.

uvicorn answers 400 by itself, with the headers that it adds to everything. Here it adds those
that say who answered, as with every other answer.
"""

import asyncio
from collections.abc import Callable

from typing_extensions import override

Headers = list[tuple[bytes, bytes]]


def protocol_class(headers: Callable[[], Headers]) -> type[asyncio.Protocol] | None:
    """Return a protocol whose 400 carries `headers()`; None where httptools is not installed."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        return None

    class Protocol(HttpToolsProtocol):
        @override
        def send_400_response(self, msg: str) -> None:
            usual = self.server_state.default_headers
            self.server_state.default_headers = [*usual, *headers()]
            try:
                super().send_400_response(msg)
            finally:
                self.server_state.default_headers = usual

    return Protocol
