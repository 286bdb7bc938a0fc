"""Read the answer to one HTTP/1.1 request from the bytes of a connection.

Our own and not a library's, for what a measurement needs and libraries hide: when the first
byte came, whether an answer that broke off had begun, and that nothing is sent twice. It
also takes about half of the CPU time, on a host that the service shares.
"""

LINE_END = b"\r\n"
HEAD_END = LINE_END * 2
HEAD_AT_MOST = 64 * 1024
HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
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
        # Bytes behind the answer belong to nothing that was asked.
        whole = self.complete and framed and not self._rest
        return whole and self.headers.get("connection", "").lower() != "close"

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
        part, self._rest = self._rest[: self._left], self._rest[self._left :]
        self.body += part
        self._left -= len(part)
        self.complete = self._left == 0

    def _read_chunks(self) -> None:
        while not self.complete:
            if self._left:
                if not self._read_chunk(self._left):
                    return
                continue
            line, found, rest = self._rest.partition(LINE_END)
            if not found:
                return
            self._rest = rest
            if self._left is None:
                # After the last chunk: trailers, and an empty line.
                self.complete = not line
            else:
                self._left = _parse_size(line) or None

    def _read_chunk(self, length: int) -> bool:
        end = length + len(LINE_END)
        if len(self._rest) < end:
            return False
        self.body += self._rest[:length]
        self._rest = self._rest[end:]
        self._left = 0
        return True


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
    # int() would also take signs and underscores.
    if not size or set(size) - HEX_DIGITS:
        raise Malformed(f"{size[:20]!r} is no length of a chunk")
    return int(size, 16)
