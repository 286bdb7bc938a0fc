"""What is sent for a planned request?

Everything follows from the request's random number, but the names of what is created also
from the run: created twice by two runs with one seed, they would look like duplicates.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass

from lab.observer.schedule import Planned
from lab.observer.spec import Endpoint, LoadSpec

LIST_LIMIT = 20
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of the service; `ref` is the client's own name of a chirp it creates."""

    endpoint: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None = None
    ref: str | None = None


def operation(spec: LoadSpec, planned: Planned) -> Operation:
    """Return what the planned request sends; `X-Request-Id` is left to its sender."""
    pick = planned.pick
    match planned.endpoint:
        case Endpoint.LIST_CHIRPS:
            return list_chirps(author(spec, pick))
        case Endpoint.GET_CHIRP:
            return get_chirp(1 + pick % spec.chirps)
        case Endpoint.CREATE_CHIRP:
            return create_chirp(author(spec, pick), reference(spec.run, "chirp", planned.seq))
        case Endpoint.CREATE_USER:
            return create_user(reference(spec.run, "user", planned.seq))
        case Endpoint.CREATE_SESSION:
            return create_session(1 + pick % spec.users)
        case Endpoint.PAGE:
            return page()
    raise ValueError(f"{planned.endpoint!r} is no endpoint")


def author(spec: LoadSpec, pick: int) -> int:
    """Few authors take all lists and all chirps, so that a bad row of theirs stays in sight."""
    return spec.hot_authors[pick % len(spec.hot_authors)]


def page() -> Operation:
    return Operation(Endpoint.PAGE, "GET", "/page", {})


def list_chirps(author_id: int) -> Operation:
    path = f"/chirps?author_id={author_id}&sort=desc&limit={LIST_LIMIT}"
    return Operation(Endpoint.LIST_CHIRPS, "GET", path, {})


def get_chirp(chirp: int) -> Operation:
    return Operation(Endpoint.GET_CHIRP, "GET", f"/chirps/{chirp}", {})


def create_chirp(author_id: int, ref: str) -> Operation:
    body = _json({"body": chirp_body(ref), "client_ref": ref})
    headers = {**JSON, "Authorization": f"Bearer user-{author_id}"}
    return Operation(Endpoint.CREATE_CHIRP, "POST", "/chirps", headers, body, ref)


def create_user(ref: str) -> Operation:
    body = _json({"email": f"{ref}@example.com", "password": "lab"})
    return Operation(Endpoint.CREATE_USER, "POST", "/users", JSON, body)


def create_session(user: int) -> Operation:
    body = _json({"email": f"user{user}@example.com", "password": "lab"})
    return Operation(Endpoint.CREATE_SESSION, "POST", "/sessions", JSON, body)


def chirp_body(ref: str) -> str:
    """Return the text of the chirp with that ref, so that a reader can tell whether it is whole."""
    return f"observed {ref}"


def reference(run: str, what: str, seq: int) -> str:
    name = f"{run} {what} {seq}".encode()
    return str(uuid.UUID(bytes=hashlib.blake2b(name, digest_size=16).digest(), version=4))


def _json(content: dict[str, str]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
