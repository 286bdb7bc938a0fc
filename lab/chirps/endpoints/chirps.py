"""Chirps over HTTP; what is done with them is the release's."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.chirps.chirp import LONGEST_BODY, Listing, NewChirp, Sort
from lab.chirps.database import Database
from lab.chirps.endpoints.reading import (
    Rejected,
    parse_id,
    read_object,
    read_optional_uuid,
    read_text,
    user_of,
)
from lab.chirps.releases import Release

LIMIT = 20
LARGEST_LIMIT = 100


class Chirps:
    def __init__(self, release: Release, database: Database) -> None:
        self._release = release
        self._database = database

    def routes(self) -> list[Route]:
        return [
            Route("/chirps", self.list_chirps, methods=["GET"], name="list_chirps"),
            Route("/chirps/{id}", self.get_chirp, methods=["GET"], name="get_chirp"),
            Route("/chirps", self.create_chirp, methods=["POST"], name="create_chirp"),
            Route("/chirps/{id}", self.delete_chirp, methods=["DELETE"], name="delete_chirp"),
        ]

    async def list_chirps(self, request: Request) -> Response:
        found = await self._release.list_chirps(self._database, read_listing(request))
        return JSONResponse([chirp.answer() for chirp in found])

    async def get_chirp(self, request: Request) -> Response:
        chirp = await self._release.get_chirp(self._database, read_chirp_id(request))
        if chirp is None:
            raise no_chirp(request)
        return JSONResponse(chirp.answer())

    async def create_chirp(self, request: Request) -> Response:
        author_id = user_of(request)
        content = await read_object(request)
        new = NewChirp(
            author_id=author_id,
            body=read_text(content, "body", longest=LONGEST_BODY),
            client_ref=read_optional_uuid(content, "client_ref"),
        )
        chirp = await self._release.create_chirp(self._database, new)
        return JSONResponse(chirp.answer(), status_code=201)

    async def delete_chirp(self, request: Request) -> Response:
        """Delete one of the caller's own; another's is not found, as if there was none."""
        author_id, chirp_id = user_of(request), read_chirp_id(request)
        if not await self._release.delete_chirp(self._database, chirp_id, author_id):
            raise no_chirp(request)
        return Response(status_code=204)


def read_listing(request: Request) -> Listing:
    asked = request.query_params
    author_id = None
    if (author := asked.get("author_id")) is not None:
        author_id = parse_id(author)
        if author_id is None:
            raise Rejected(400, f"'author_id' is {author!r}: it must be the id of a user")
    sort = asked.get("sort", "asc")
    if sort not in tuple(Sort):
        raise Rejected(400, f"'sort' is {sort!r}: it must be asc or desc")
    limit = parse_id(asked.get("limit", str(LIMIT)))
    if limit is None or limit > LARGEST_LIMIT:
        raise Rejected(400, f"'limit' must be a number from 1 to {LARGEST_LIMIT}")
    return Listing(author_id, Sort(sort), limit)


def read_chirp_id(request: Request) -> int:
    chirp_id = parse_id(request.path_params["id"])
    if chirp_id is None:
        raise no_chirp(request)
    return chirp_id


def no_chirp(request: Request) -> Rejected:
    return Rejected(404, f"no chirp {request.path_params['id']!r}")
