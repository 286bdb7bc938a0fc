"""Read the answer to one HTTP/1.1 request from the bytes of a connection.

Our own and not a library's, for what a measurement needs and libraries hide: when the first
byte came, whether an answer that broke off had begun, and that nothing is sent twice. It
also takes about half of the CPU time, on a host that the service shares.
"""

HEAD_END = b"\r\n\r\n"
HEAD_AT_MOST = 64 * 1024
BODYLESS = frozenset({204, 304})


class Malformed(ValueError):
    """The bytes are no HTTP/1.1 answer."""


class Answer:
    """One answer, fed with bytes until it is `complete`.

    `status` is None until its head is there. Names in `headers` are in lower case; of
    several headers with one name the last counts.
    """

    __slots__ = ("_left", "_rest", "body", "chunked", "complete", "headers", "status")

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.complete = False
        self.chunked = False
        self._rest = b""
        self._left: int | None = None
        """Bytes of the body, or of its chunk, that are to come; None: until the end."""

    @property
    def keeps_open(self) -> bool:
        """Whether another request may follow on the connection."""
        framed = self.chunked or self._left is not None
        return self.complete and framed and self.headers.get("connection", "").lower() != "close"

    def feed(self, content: bytes) -> None:
        """Take in what was received; raises Malformed."""
        self._rest += content
        while self.status is None:
            if not self._read_head():
                return
        if self.chunked:
            self._read_chunks()
        else:
            self._read_body()

    def end(self) -> bool:
        """Note that the connection was closed; return whether the answer was whole."""
        if self.status is not None and not self.chunked and self._left is None:
            self.complete = True
        return self.complete

    def _read_head(self) -> bool:
        head, found, rest = self._rest.partition(HEAD_END)
        if not found:
            if len(head) > HEAD_AT_MOST:
                raise Malformed(f"no end of the head within {HEAD_AT_MOST} bytes")
            return False
        self._rest = rest
        first, *lines = head.decode("latin-1").split("\r\n")
        status = _parse_status(first)
        # Of an interim answer (100 Continue, 103 Early Hints) the final one is still to come.
        if status >= 200:
            self.status = status
            self.headers = dict(map(_parse_header, lines))
            self._frame(status)
        return True

    def _frame(self, status: int) -> None:
        """Tell where the body ends: RFC 9112, 6.3."""
        if status in BODYLESS:
            self._left = 0
        elif "transfer-encoding" in self.headers:
            self.chunked = self.headers["transfer-encoding"].lower().endswith("chunked")
            self._left = 0 if self.chunked else None
        elif (length := self.headers.get("content-length")) is not None:
            if not length.isdecimal():
                raise Malformed(f"content-length {length!r}")
            self._left = int(length)

    def _read_body(self) -> None:
        if self._left is None:
            self.body += self._rest
            self._rest = b""
            return
        self.body += self._rest[: self._left]
        self._left -= min(self._left, len(self._rest))
        self._rest = b""
        self.complete = self._left == 0

    def _read_chunks(self) -> None:
        while not self.complete:
            if self._left:
                # With the line end behind it.
                if len(self._rest) < self._left + 2:
                    return
                self.body += self._rest[: self._left]
                self._rest = self._rest[self._left + 2 :]
                self._left = 0
                continue
            line, found, rest = self._rest.partition(b"\r\n")
            if not found:
                return
            if self._left is None:
                # After the last chunk: trailers, and an empty line.
                self._rest = rest
                self.complete = not line
                continue
            self._rest = rest
            self._left = _parse_size(line) or None


def _parse_status(line: str) -> int:
    words = line.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdecimal():
        raise Malformed(f"{line[:80]!r} is no status line")
    return int(words[1])


def _parse_header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise Malformed(f"{line[:80]!r} is no header")
    return name.lower(), value.strip()


def _parse_size(line: bytes) -> int:
    size = line.partition(b";")[0].strip()
    try:
        return int(size, 16)
    except ValueError:
        raise Malformed(f"{size[:20]!r} is no length of a chunk") from None
