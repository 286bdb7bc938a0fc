"""A made-up k3s release: as files, and over HTTP on loopback."""

import hashlib
import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from typing_extensions import override

from lab.artifacts.k3s_lock import binary_file, checksums_file, images_file
from lab.artifacts.recipe import architecture

VERSION = "v1.36.3+k3s1"
PROGRAM = b"#!/bin/sh\necho k3s\n"
IMAGES = b"images"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_release(directory: Path, program: bytes = PROGRAM, images: bytes = IMAGES) -> Path:
    """Write program, images and their checksums as a release has them."""
    directory.mkdir(parents=True, exist_ok=True)
    arch = architecture()
    files = {binary_file(arch): program, images_file(arch): images}
    for name, content in files.items():
        (directory / name).write_bytes(content)
    lines = [f"{sha256(content)}  {name}\n" for name, content in files.items()]
    # Another name that ends alike must not be taken for the program.
    lines.insert(0, f"{sha256(b'other')}  other-k3s\n")
    (directory / checksums_file(arch)).write_text("".join(lines))
    return directory


class Handler(http.server.SimpleHTTPRequestHandler):
    @override
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        super().do_GET()

    @override
    def do_HEAD(self) -> None:
        self.server.asked.append(f"HEAD {self.path}")  # type: ignore[attr-defined]
        super().do_HEAD()

    @override
    def translate_path(self, path: str) -> str:
        return super().translate_path(unquote(path))

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(
    directory: Path,
    kind: Callable[..., http.server.BaseHTTPRequestHandler] = Handler,
    tls: ssl.SSLContext | None = None,
) -> Iterator[tuple[str, list[str]]]:
    """Serve a directory; give its address and the paths that are asked for."""
    handler = partial(kind, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.asked = []  # type: ignore[attr-defined]
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            scheme = "https" if tls else "http"
            yield f"{scheme}://127.0.0.1:{server.server_port}", server.asked  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            thread.join()


def redirecting(target: Callable[[str], str]) -> type[Handler]:
    """Return what leads from each path to `target(path)`, and notes how it was asked."""

    class Redirecting(Handler):
        def _redirect(self) -> None:
            self.server.asked.append(f"{self.command} {self.path}")  # type: ignore[attr-defined]
            self.send_response(302)
            self.send_header("Location", target(self.path))
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def do_GET(self) -> None:
            self._redirect()

        @override
        def do_HEAD(self) -> None:
            self._redirect()

    return Redirecting


@contextmanager
def stalling(directory: Path, name: str) -> Iterator[tuple[str, threading.Event]]:
    """Serve a directory, but of `name` only half; give an event for when that was sent."""
    half_is_sent, ends = threading.Event(), threading.Event()

    class Stalling(Handler):
        @override
        def do_GET(self) -> None:
            if not self.path.endswith(name):
                super().do_GET()
                return
            content = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            half_is_sent.set()
            ends.wait()

    with serving(directory, Stalling) as (address, _):
        try:
            yield address, half_is_sent
        finally:
            ends.set()


Speak = Callable[[socket.socket], None]


@contextmanager
def speaking(speak: Speak) -> Iterator[str]:
    """Answer the first request with what `speak` sends, and close; give the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                # Who asked may have given up.
                with suppress(OSError):
                    speak(connection)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            thread.join()


def saying(text: str) -> Speak:
    return lambda connection: connection.sendall(text.encode())
