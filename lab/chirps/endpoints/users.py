"""Users, their sessions, and the notices of the partner who sells memberships."""

import secrets
from typing import Any

from psycopg.rows import TupleRow
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.chirps.database import Database
from lab.chirps.endpoints.reading import (
    UNAUTHORIZED,
    Rejected,
    bearer,
    parse_id,
    read_object,
    read_optional_text,
    read_text,
    user_of,
)
from lab.chirps.passwords import hash_password, is_password

LONGEST_EMAIL = 254
LONGEST_PASSWORD = 200
PARTNER = "partner"
UPGRADED = "user.upgraded"

CREATE = """INSERT INTO users (email, password)
VALUES (%(email)s, COALESCE(%(password)s, 'unset'))
RETURNING id, email, is_member"""
UPDATE = """UPDATE users
SET email = COALESCE(%(email)s, email), password = COALESCE(%(password)s, password)
WHERE id = %(id)s
RETURNING id, email, is_member"""
FIND = "SELECT id, email, is_member, password FROM users WHERE email = %s"
OPEN = "INSERT INTO refresh_tokens (token, user_id) VALUES (%s, %s) RETURNING token"
CLOSE = """UPDATE refresh_tokens SET revoked_at = now()
WHERE user_id = %s AND revoked_at IS NULL RETURNING token"""
UPGRADE = "UPDATE users SET is_member = true WHERE id = %s RETURNING id"


class Users:
    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> list[Route]:
        return [
            Route("/users", self.create_user, methods=["POST"], name="create_user"),
            Route("/users", self.update_user, methods=["PUT"], name="update_user"),
            Route("/sessions", self.create_session, methods=["POST"], name="create_session"),
            Route("/sessions", self.delete_session, methods=["DELETE"], name="delete_session"),
            Route("/notices", self.create_notice, methods=["POST"], name="create_notice"),
        ]

    async def create_user(self, request: Request) -> Response:
        content = await read_object(request)
        email = read_text(content, "email", longest=LONGEST_EMAIL)
        given = {"email": email, "password": read_password(content)}
        row = await self._database.row(CREATE, given)
        assert row is not None
        return JSONResponse(user(row), status_code=201)

    async def update_user(self, request: Request) -> Response:
        user_id = user_of(request)
        content = await read_object(request)
        email = read_optional_text(content, "email", longest=LONGEST_EMAIL)
        given = {"id": user_id, "email": email, "password": read_password(content)}
        row = await self._database.row(UPDATE, given)
        if row is None:
            raise Rejected(404, f"no user {user_id}")
        return JSONResponse(user(row))

    async def create_session(self, request: Request) -> Response:
        content = await read_object(request)
        email = read_text(content, "email", longest=LONGEST_EMAIL)
        password = read_text(content, "password", longest=LONGEST_PASSWORD)
        row = await self._database.row(FIND, (email,))
        if row is None or not is_password(password, row[3]):
            raise Rejected(401, "no user has this email and password", UNAUTHORIZED)
        token = secrets.token_hex(16)
        await self._database.row(OPEN, (token, row[0]))
        answer = {"token": f"user-{row[0]}", "refresh_token": token, "user": user(row)}
        return JSONResponse(answer, status_code=201)

    async def delete_session(self, request: Request) -> Response:
        await self._database.rows(CLOSE, (user_of(request),))
        return Response(status_code=204)

    async def create_notice(self, request: Request) -> Response:
        """Take in what the partner says; events that mean nothing to us are accepted too."""
        if bearer(request) != PARTNER:
            raise Rejected(401, f"Authorization must be 'Bearer {PARTNER}'", UNAUTHORIZED)
        content = await read_object(request)
        if read_text(content, "event", longest=100) == UPGRADED:
            user_id = parse_id(str(content.get("user_id")))
            if user_id is None or await self._database.row(UPGRADE, (user_id,)) is None:
                raise Rejected(404, f"no user {content.get('user_id')!r}")
        return Response(status_code=204)


def user(row: TupleRow) -> dict[str, Any]:
    return {"id": row[0], "email": row[1], "is_member": row[2]}


def read_password(content: dict[str, Any]) -> str | None:
    password = read_optional_text(content, "password", longest=LONGEST_PASSWORD)
    return None if password is None else hash_password(password)
