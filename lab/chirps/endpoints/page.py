"""The page that people load first. It needs no database, so it works when nothing else does."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

HTML = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>chirps</title>
<h1>chirps</h1>
<p>Release {release}, served by {pod}.</p>
<p><a href="/chirps?sort=desc">What is new</a></p>
</html>
"""


class Page:
    def __init__(self, *, release: str, pod: str) -> None:
        self._html = HTML.format(release=release, pod=pod)

    def routes(self) -> list[Route]:
        return [Route("/page", self.page, methods=["GET"], name="page")]

    async def page(self, request: Request) -> Response:
        return HTMLResponse(self._html)
