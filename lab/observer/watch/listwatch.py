"""Follow one list of objects for as long as asked, and say where something may be missing.

Lines of kind `watch` tell how well we see. `listed`: all was read anew. `lost`: the watch
broke off or could not be begun; `resumed`: it works again. In between lines come late, but
none is missing, unless `listed` follows. `expired`: the server no longer knows where we
were, so what happened since is missed; `listed` follows. `forbidden`: we may not look.

A watch that the server ends in good order after its time loses nothing and is not told.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import aiohttp

from lab.observer.watch.apiserver import ApiServer, Object, Refused
from lab.observer.watch.describe import Line
from lab.observer.watch.resources import Resource

GONE = 410
NOT_ALLOWED = 403
RETRY_S = (0.1, 0.2, 0.5, 1.0)
RETRY_FORBIDDEN_S = 5.0
TOO_SHORT_S = 1.0

# ValueError: what should be JSON is not, as when a proxy answers or a line is cut off.
BROKEN = (aiohttp.ClientError, OSError, ValueError)

Write = Callable[[Mapping[str, Any]], None]
Sleep = Callable[[float], Any]


class Expired(Exception):
    """The server does not keep what happened since the given version."""


class Broken(Exception):
    """A list or watch did not work; `status` is the server's answer, if it gave one."""

    def __init__(self, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.status = status


class Follower:
    """Follows one resource; `write` gets its lines."""

    def __init__(
        self, api: ApiServer, resource: Resource, write: Write, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._api = api
        self._resource = resource
        self._write = write
        self._sleep = sleep
        self._failures = 0
        self._lost = False
        self._version: str | None = None

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                if self._version is None:
                    await self._list()
                else:
                    await self._watch(self._version)
            except Expired as exc:
                self._version = None
                self._say("expired", str(exc))
            except Broken as exc:
                await self._wait_after(exc)

    async def _list(self) -> None:
        try:
            found = await self._api.list(self._resource.path, self._resource.query)
            version = str(found["metadata"]["resourceVersion"])
            lines = self._resource.tracker.listed(found.get("items") or [])
        except BROKEN as exc:
            raise Broken(spell(exc)) from exc
        except Refused as exc:
            raise Broken(str(exc), exc.status) from exc
        self._tell(lines)
        self._version, self._failures = version, 0
        self._say_resumed()
        self._say("listed", f"{len(found.get('items') or [])} at {version}")

    async def _watch(self, version: str) -> None:
        began, events = time.monotonic(), 0
        try:
            async for event in self._api.watch(
                self._resource.path,
                self._resource.query,
                version=version,
                opened=self._say_resumed,
            ):
                events += 1
                self._see(event)
        except BROKEN as exc:
            raise Broken(spell(exc)) from exc
        except Refused as exc:
            if exc.status == GONE:
                raise Expired(str(exc)) from exc
            raise Broken(str(exc), exc.status) from exc
        # Begun again at once, it would only press the server.
        if not events and time.monotonic() - began < TOO_SHORT_S:
            raise Broken("the server ended the watch as soon as it began")

    def _see(self, event: Object) -> None:
        change, found = event["type"], event["object"]
        if change == "ERROR":
            if found.get("code") == GONE:
                raise Expired(str(found.get("message")))
            raise Broken(f"{found.get('code')}: {found.get('message')}", found.get("code"))
        self._failures = 0
        self._version = str(found["metadata"]["resourceVersion"])
        if change != "BOOKMARK":
            self._tell(self._resource.tracker.changed(change, found))

    def _say_resumed(self) -> None:
        if self._lost:
            self._lost = False
            self._say("resumed", f"from {self._version}")

    async def _wait_after(self, broken: Broken) -> None:
        forbidden = broken.status == NOT_ALLOWED
        # Once a gap, however often it is tried again.
        if not self._lost:
            self._lost = True
            self._say("forbidden" if forbidden else "lost", str(broken))
        retry_s = RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1
        await self._sleep(RETRY_FORBIDDEN_S if forbidden else retry_s)

    def _tell(self, lines: Iterable[Line]) -> None:
        now = time.monotonic_ns()
        for line in lines:
            self._write({"kind": line["kind"], "t": now, **line})

    def _say(self, what: str, detail: str) -> None:
        about = {"resource": self._resource.name, "what": what, "detail": detail}
        self._write({"kind": "watch", "t": time.monotonic_ns(), **about})


def spell(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
