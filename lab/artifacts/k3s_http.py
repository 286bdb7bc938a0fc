"""Receive a file over HTTP: with a bound on silence and on slowness, and never by a worse way."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import IO
from urllib.parse import urlsplit

from typing_extensions import override

from lab.errors import ArtifactError

CHUNK = 1 << 20
PACE_S = 60.0
PACE_BYTES = 600_000
OTHER_WAYS = "the same with --k3s-dir DIR or --k3s-mirror URL, or with --distribution kubeadm"


def keeps_content(url: str) -> bool:
    """Whether nobody on the way can change what comes: https, or a port of this host."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def request(url: str, within_s: float, method: str = "GET") -> http.client.HTTPResponse:
    """Return the open answer; raise ArtifactError that names the address and what happened."""
    asked = urllib.request.Request(url, method=method)  # noqa: S310 - http and https: `mirror`
    opener = _DIRECT if is_loopback(urlsplit(url).hostname or "") else _OPENER
    with naming(url):
        answer: http.client.HTTPResponse = opener.open(asked, timeout=within_s)
        return answer


def chunks(answer: http.client.HTTPResponse, url: str) -> Iterator[bytes]:
    """Yield the body as it comes.

    Raises ArtifactError where it ends before its length or comes slower than
    `PACE_BYTES` in `PACE_S`: a place that drips would be waited for without end.
    """
    total, size = answer.length, 0
    since, received = time.monotonic(), 0
    while chunk := _read(answer, url):
        size, received = size + len(chunk), received + len(chunk)
        yield chunk
        if (now := time.monotonic()) - since >= PACE_S:
            if received < PACE_BYTES:
                raise ArtifactError(
                    f"{url} came too slowly, {received} bytes in {now - since:.0f} s",
                    hint=OTHER_WAYS,
                )
            since, received = now, 0
    if total is not None and size != total:
        raise ArtifactError(f"{url} ended after {size} of {total} bytes", hint="lab up")


def _read(answer: http.client.HTTPResponse, url: str) -> bytes:
    with naming(url):
        # What is there, and not a whole chunk: the bound is on each wait.
        return answer.read1(CHUNK)


@contextmanager
def naming(url: str) -> Iterator[None]:
    """Turn a failure of the network into an error that names the address.

    Only around what asks and reads: a full disk is no fault of the place.
    """
    try:
        yield
    except (OSError, http.client.HTTPException, UnicodeError) as exc:
        if isinstance(exc, urllib.error.HTTPError):
            exc.close()
        raise ArtifactError(f"{url} cannot be had ({_cause(exc)})", hint=OTHER_WAYS) from exc


def _cause(exc: Exception) -> str:
    if isinstance(exc, urllib.error.HTTPError):
        # In a line: of redirects without end it tells in three.
        return f"{exc.code} {' '.join(str(exc.reason).split())}"
    return str(getattr(exc, "reason", None) or exc) or type(exc).__name__


class NeverWorse(urllib.request.HTTPRedirectHandler):
    """Follows a redirect, but not from a way that keeps the content to one that does not."""

    @override
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if keeps_content(req.full_url) and not keeps_content(newurl):
            fp.close()
            # Without its path: addresses that a release redirects to are signed.
            host = urlsplit(newurl).hostname
            raise ArtifactError(
                f"{req.full_url} leads to {host} without https", hint="do not use that place"
            )
        redirected = super().redirect_request(req, fp, code, msg, headers, newurl)
        if redirected is not None and req.get_method() == "HEAD":
            # Python before 3.13 would ask for the content there (github.com/python/cpython, 99730).
            redirected.method = "HEAD"
        return redirected


# A proxy's loopback is not this host's.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}), NeverWorse)
_OPENER = urllib.request.build_opener(NeverWorse)
