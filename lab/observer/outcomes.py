"""How did a request end? Never just "error": the signature of a failure needs the kind."""

import asyncio
import errno
from enum import StrEnum

import aiohttp

# What the client's own host lacks: the request never was a question to the service.
OWN_LIMITS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)
# kube-proxy rejects by ICMP, which a kernel reports as one of these.
REFUSALS = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})


class Outcome(StrEnum):
    """The end of a request.

    `reset`: the connection ended before any of the answer. `truncated`: the answer began
    and did not end. `client_cap`: the client had no room for it, so it was never sent.
    """

    OK = "ok"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    REFUSED = "refused"
    RESET = "reset"
    CONNECT_TIMEOUT = "connect_timeout"
    READ_TIMEOUT = "read_timeout"
    TRUNCATED = "truncated"
    CLIENT_CAP = "client_cap"


def of_status(status: int) -> Outcome:
    """Redirects are not followed and count as answers, as the kubelet's probes count them."""
    if status < 400:
        return Outcome.OK
    return Outcome.HTTP_4XX if status < 500 else Outcome.HTTP_5XX


def of_error(error: Exception, *, connected: bool, answering: bool) -> Outcome:
    """Tell what ended a request; raises the error when it is none of the network's."""
    if isinstance(error, asyncio.TimeoutError):
        return Outcome.READ_TIMEOUT if connected else Outcome.CONNECT_TIMEOUT
    if isinstance(error, OSError) and error.errno in OWN_LIMITS:
        return Outcome.CLIENT_CAP
    if answering or isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientResponseError):
        return Outcome.TRUNCATED
    if isinstance(error, aiohttp.ServerDisconnectedError):
        # With a message, part of an answer had been read.
        return Outcome.RESET if _is_bare(error) else Outcome.TRUNCATED
    if isinstance(error, OSError) and error.errno in REFUSALS and not connected:
        return Outcome.REFUSED
    if isinstance(error, OSError) and error.errno == errno.ETIMEDOUT:
        return Outcome.READ_TIMEOUT if connected else Outcome.CONNECT_TIMEOUT
    if isinstance(error, aiohttp.ClientConnectionError | ConnectionError):
        return Outcome.RESET
    raise error


def _is_bare(error: aiohttp.ServerDisconnectedError) -> bool:
    return isinstance(error.message, str)
