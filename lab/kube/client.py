"""Talk to one API server: JSON over HTTPS with a client certificate.

The only importer of urllib3. A client for a lab's cluster comes from
`lab.kube.identity.connect`, which proves first that it is the lab's.
"""

import json
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from lab.errors import ClusterUnreachable, RequestRefused
from lab.kube.kubeconfig import Access

FIELD_MANAGER = "lab"
Object = dict[str, Any]
Query = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """Headers by their lower-case names, and the body."""

    headers: Mapping[str, str]
    body: bytes


class Client:
    """Requests to `access.server`; each waits at most `timeout_s` seconds for an answer."""

    def __init__(self, access: Access, *, timeout_s: float = 10) -> None:
        self._server = access.server
        self._pool = urllib3.PoolManager(
            ssl_context=_tls(access),
            timeout=urllib3.Timeout(connect=2, read=timeout_s),
            retries=False,
            maxsize=8,
        )

    def get(self, path: str, **query: str) -> Object:
        return self._json("GET", path, query)

    def text(self, path: str, query: Query = ()) -> str:
        """Return an answer that is not JSON; `query` may name a parameter more than once."""
        return self._response("GET", path, query).data.decode(errors="replace")

    def create(self, path: str, body: Object) -> Object:
        return self._json("POST", path, {"fieldManager": FIELD_MANAGER}, body)

    def apply(self, path: str, body: Object) -> Object:
        """Create or update by server-side apply, as field manager `lab`."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return self._json("PATCH", path, query, body, "application/apply-patch+yaml")

    def merge(self, path: str, body: Object) -> Object:
        """Change an object by a JSON merge patch (RFC 7386): lists are replaced whole."""
        query = {"fieldManager": FIELD_MANAGER}
        return self._json("PATCH", path, query, body, "application/merge-patch+json")

    def answer(
        self, method: str, path: str, query: Query = (), body: Object | None = None
    ) -> Answer:
        """Return what somebody behind the API server answers, by its proxy of a pod or service."""
        response = self._response(method, path, query, body)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(headers, response.data)

    def delete(self, path: str, **query: str) -> None:
        """Delete the object; not an error when it is gone already."""
        try:
            self._response("DELETE", path, query)
        except RequestRefused as exc:
            if exc.status != 404:
                raise

    def _json(
        self,
        method: str,
        path: str,
        query: Query,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        content = self._response(method, path, query, body, content_type).data
        answer: Object = json.loads(content)
        return answer

    def _response(
        self,
        method: str,
        path: str,
        query: Query,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> urllib3.BaseHTTPResponse:
        url = self._server + quote(path, safe="/:") + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._pool.request(
                method,
                url,
                body=json.dumps(body).encode() if body is not None else None,
                headers={"Accept": "application/json", "Content-Type": content_type},
            )
        except urllib3.exceptions.HTTPError as exc:
            raise ClusterUnreachable(
                f"the API server at {self._server} does not answer ({_cause(exc)})",
                hint="lab status",
            ) from exc
        if response.status >= 400:
            raise _refusal(method, path, response.status, response.data)
        return response


def _tls(access: Access) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=access.ca.decode())
    # ssl reads a certificate and its key from files only; this one never reaches a disk.
    descriptor = os.memfd_create("lab-client-certificate")
    try:
        os.write(descriptor, access.certificate + b"\n" + access.key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context


def _refusal(method: str, path: str, status: int, content: bytes) -> RequestRefused:
    try:
        said = str(json.loads(content)["message"])
    except (ValueError, LookupError, TypeError):
        said = content.decode(errors="replace")[:200].strip()
    return RequestRefused(f"{method} {path} was refused with {status}: {said}", status=status)


def _cause(exc: BaseException) -> str:
    reason = getattr(exc, "reason", None) or exc
    return str(reason).rsplit(": ", 1)[-1]
