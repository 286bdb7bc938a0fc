"""Talk to the API server the way a pod does: by its service account."""

import json
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
from yarl import URL

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CONNECT_TIMEOUT_S = 2.0
LIST_TIMEOUT_S = 20.0
WATCH_FOR_S = 60
"""How long the server keeps a watch; it then ends it in good order."""
SILENCE_S = WATCH_FOR_S + 10.0

Object = dict[str, Any]


class NotConfigured(RuntimeError):
    """This process is not in a pod with a service account."""


class Refused(Exception):
    """The server answered, with a status that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is, and the files with its authority and our token, if any."""

    server: str
    ca: Path | None = None
    token: Path | None = None

    @classmethod
    def of_pod(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Return what the kubelet gave to this pod; raises NotConfigured."""
        host = variables.get("KUBERNETES_SERVICE_HOST")
        port = variables.get("KUBERNETES_SERVICE_PORT")
        if not host or not port:
            raise NotConfigured("KUBERNETES_SERVICE_HOST and _PORT are not set: not in a pod")
        host = f"[{host}]" if ":" in host else host
        return cls(f"https://{host}:{port}", SERVICE_ACCOUNT / "ca.crt", SERVICE_ACCOUNT / "token")


class ApiServer:
    """Lists and watches; use as an asynchronous context manager.

    Raises Refused for an answer that is no success, and aiohttp.ClientError, TimeoutError
    or ValueError for an answer that did not come whole.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    async def __aenter__(self) -> Self:
        tls = ssl.create_default_context(cafile=self._access.ca) if self._access.ca else True
        # No limit: each watch holds a connection for as long as it lasts.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=0))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def list(self, path: str, query: Mapping[str, str]) -> Object:
        timeout = aiohttp.ClientTimeout(total=LIST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        async with self._get(path, query, timeout) as response:
            await _require_success(response)
            found: Object = json.loads(await response.read())
            return found

    async def watch(
        self, path: str, query: Mapping[str, str], *, version: str, opened: Callable[[], None]
    ) -> AsyncIterator[Object]:
        """Yield events after resource version `version` until the server ends the watch.

        `opened` is called when the server has agreed to tell them.
        """
        timeout = aiohttp.ClientTimeout(connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_S)
        wanted = {
            **query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_FOR_S),
        }
        async with self._get(path, wanted, timeout) as response:
            await _require_success(response)
            opened()
            # Not by readline: an object may be longer than aiohttp allows a line to be.
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield json.loads(line)
            if rest.strip():
                yield json.loads(rest)

    def _get(
        self, path: str, query: Mapping[str, str], timeout: aiohttp.ClientTimeout
    ) -> "aiohttp.client._RequestContextManager":
        url = URL(self._access.server + path).with_query(query)
        return self._session.get(url, headers=self._headers(), timeout=timeout)

    def _headers(self) -> dict[str, str]:
        # Read anew each time: the kubelet replaces the token before it expires.
        token = self._access.token.read_text().strip() if self._access.token else None
        return {"Authorization": f"Bearer {token}"} if token else {}


async def _require_success(response: aiohttp.ClientResponse) -> None:
    if response.status == 200:
        return
    content = await response.read()
    try:
        message = str(json.loads(content)["message"])
    except (ValueError, LookupError, TypeError):
        message = content.decode(errors="replace")[:200].strip()
    raise Refused(response.status, message)
