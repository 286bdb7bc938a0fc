"""How did a request end? Never just "error": the signature of a failure needs the kind."""

import errno
from enum import StrEnum

from lab.observer.answers import Malformed
from lab.observer.connection import Ended

# What the client's own host lacks: the request never was a question to the service.
OWN_LIMITS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)


class Outcome(StrEnum):
    """The end of a request.

    `refused`: no connection came about, and we were told so. `reset`: the connection ended
    before any of the answer. `truncated`: the answer began and did not end, or cannot be
    read. `client_cap`: the client had no room for it, so it was never sent.
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


def of_error(error: OSError | Ended | Malformed, *, connected: bool) -> Outcome:
    """Tell how a request ended that has no whole answer."""
    if isinstance(error, Malformed):
        return Outcome.TRUNCATED
    if isinstance(error, Ended):
        return Outcome.TRUNCATED if error.began else Outcome.RESET
    if isinstance(error, TimeoutError):
        return Outcome.READ_TIMEOUT if connected else Outcome.CONNECT_TIMEOUT
    if error.errno in OWN_LIMITS:
        return Outcome.CLIENT_CAP
    if connected or isinstance(error, ConnectionResetError):
        return Outcome.RESET
    # kube-proxy rejects by ICMP, which a kernel reports in more than one way.
    return Outcome.REFUSED
