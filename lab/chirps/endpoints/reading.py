"""What may a request say? Everything else is turned down before the database is asked."""

import json
import re
from typing import Any, TypeVar
from uuid import UUID

from starlette.requests import Request

LARGEST_BODY = 64 * 1024
LARGEST_ID = 2**63 - 1
NUMBER = re.compile(r"[0-9]{1,19}")
# JSON can name character 0, which PostgreSQL has not, and half of a character, which UTF-8 has not.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
UNAUTHORIZED = {"WWW-Authenticate": "Bearer"}

T = TypeVar("T")


class Rejected(Exception):
    """The client's mistake: `status` is 4xx, the text says which value is wrong."""

    def __init__(self, status: int, error: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.headers = headers or {}


async def read_object(request: Request) -> dict[str, Any]:
    """Return the body, which must be a JSON object of at most 64 KiB."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise Rejected(413, f"the body is larger than {LARGEST_BODY} bytes")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejected(400, f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise Rejected(400, "the body is not a JSON object")
    return content


def read_text(content: dict[str, Any], name: str, *, longest: int) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not value or len(value) > longest:
        raise Rejected(400, f"{name!r} must be a text of 1 to {longest} characters")
    if UNSTORABLE.search(value):
        raise Rejected(400, f"{name!r} holds a character that cannot be stored")
    return value


def read_optional_text(content: dict[str, Any], name: str, *, longest: int) -> str | None:
    return None if content.get(name) is None else read_text(content, name, longest=longest)


def read_optional_uuid(content: dict[str, Any], name: str) -> UUID | None:
    value = content.get(name)
    if value is None:
        return None
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise Rejected(400, f"{name!r} must be a UUID") from error


def parse_id(text: str) -> int | None:
    """Return an id of a row, or None where no row can have it."""
    if not NUMBER.fullmatch(text) or not 1 <= int(text) <= LARGEST_ID:
        return None
    return int(text)


def user_of(request: Request) -> int:
    """Return who calls, from `Authorization: Bearer user-<id>`."""
    name, _, number = bearer(request).partition("-")
    user = parse_id(number) if name == "user" else None
    if user is None:
        raise Rejected(401, "Authorization must be 'Bearer user-<id>'", UNAUTHORIZED)
    return user


def bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""
