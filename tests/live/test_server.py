"""The page is for this host alone, and what acts for whoever has the token."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

import pytest

from lab.errors import HistoryDamaged, InvalidValue, PortTaken
from lab.live.server import Server, bind
from tests.live.serving import Still, act, ask, first_frame, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(Still()) as started:
        yield started


@pytest.mark.parametrize("path", ["/", "/trainer"])
def test_a_page_allows_nothing_but_its_own_files(server: Server, path: str):
    status, headers, body = ask(server, "GET", path)

    assert status == 200
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert b"<script src=" in body
    assert b"http" not in body.replace(b"http-equiv", b"")


def test_it_listens_on_loopback_alone(server: Server):
    assert server.listener.getsockname()[0] == "127.0.0.1"


def test_a_name_that_was_made_to_lead_here_is_refused(server: Server):
    assert ask(server, "GET", "/", host="evil.example:80")[0] == 403


def test_another_page_is_refused(server: Server):
    answer = ask(server, "POST", "/act", body=b"{}", origin="http://evil.example")

    assert answer[0] == 403


@pytest.mark.parametrize("token", ["", "wrong", "ä"])
def test_nothing_acts_without_the_token(server: Server, token: str):
    body = json.dumps({"do": "step"}).encode()

    answer = ask(
        server,
        "POST",
        "/act",
        body=body,
        authorization=f"Bearer {token}".encode().decode("latin-1"),
    )

    assert answer[0] == 401
    assert server.show.acts == []  # type: ignore[attr-defined]
    assert ask(server, "GET", "/notes")[0] == 401


def test_with_the_token_it_acts_and_shows_its_notes():
    with serving(Still()) as server:
        assert act(server, "step", token=server.token) == 200
        assert act(server, "drop", token=server.token) == 400
        notes = ask(server, "GET", "/notes", authorization=f"Bearer {server.token}")

    assert server.show.acts == [("step", None)]  # type: ignore[attr-defined]
    assert json.loads(notes[2]) == {"notes": ["for the trainer alone"]}


@pytest.mark.parametrize("body", [b"no json", b"[]", b"[" * 3000, b"{" + b" " * 5000])
def test_what_is_no_order_is_refused(server: Server, body: bytes):
    answer = ask(server, "POST", "/act", body=body, authorization=f"Bearer {server.token}")

    assert answer[0] == 400


def test_only_its_own_files_are_served(server: Server):
    for path in ("/assets/../server.py", "/assets/%2e%2e%2fserver.py", "/assets/none.js"):
        assert ask(server, "GET", path)[0] == 404
    assert ask(server, "GET", "/assets/live.js")[1]["content-type"].startswith("text/javascript")


def test_a_viewer_gets_the_frame(server: Server):
    assert first_frame(server) == {"n": 1}


def test_what_cannot_be_shown_is_told():
    class Damaged(Still):
        def frame(self):
            raise HistoryDamaged("the history is gone", hint="lab report list")

    with serving(Damaged()) as server:
        assert first_frame(server) == {"failure": "the history is gone", "hint": "lab report list"}


def test_viewers_that_never_read_do_not_stop_the_show():
    class Counting(Still):
        count = 0

        def frame(self):
            self.count += 1
            return {"n": self.count, "much": "x" * 200_000 + str(self.count)}

    show = Counting()
    with serving(show) as server:
        port = server.listener.getsockname()[1]
        deaf = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for each in deaf:
            each.sendall(f"GET /frames HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        before = wait_for(lambda: show.count, at_least=3)
        wait_for(lambda: show.count, at_least=before + 3)
        assert first_frame(server)["n"] >= before
        for each in deaf:
            each.close()


def wait_for(count, *, at_least: int) -> int:
    end = time.monotonic() + 30
    while count() < at_least:
        assert time.monotonic() < end, f"{count()} frames"
        time.sleep(0.05)
    return count()


def test_a_port_that_is_taken_is_said_to_be():
    taken = bind(0)
    port = taken.getsockname()[1]

    with pytest.raises(PortTaken, match=f"port {port} of 127.0.0.1 is taken") as caught:
        bind(port)

    assert "--port 0" in (caught.value.hint or "")
    taken.close()


@pytest.mark.parametrize("port", [-1, 65_536])
def test_what_is_no_port_is_refused(port: int):
    with pytest.raises(InvalidValue, match="is no port"):
        bind(port)


class Counting(Still):
    """A show that counts how often it is asked, and by whom."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.threads = 0, set()

    def frame(self):
        self.asked += 1
        self.threads.add(threading.get_ident())
        return {"n": self.asked}


def test_a_frame_is_made_once_however_many_look_on():
    show = Counting()
    with serving(show) as server, ExitStack() as stack:
        viewers = [stack.enter_context(looking(server)) for _ in range(30)]

        seen = [[n(each) for _ in range(3)] for each in viewers]

        assert server.hub.viewers == 30
        # One that was made may not have been shown yet.
        assert show.asked - server.hub.version in (0, 1)
        assert all(first < second < third for first, second, third in seen)
        # Whoever serves has made them; whoever plays is in another thread, this one.
        assert threading.get_ident() not in show.threads


@contextmanager
def looking(server: Server) -> Iterator[BinaryIO]:
    with socket.create_connection(("127.0.0.1", server.listener.getsockname()[1]), 10) as viewer:
        host = server.address.removeprefix("http://").rstrip("/")
        viewer.sendall(f"GET /frames HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        with viewer.makefile("rb") as stream:
            yield stream


def n(stream: BinaryIO) -> int:
    """Return the number in the next frame, whole or what has changed."""
    for line in stream:
        if line.startswith(b"data: "):
            told = json.loads(line[6:])
            return told["n"] if "n" in told else told["o"]["n"]["="]
    raise AssertionError("the stream ended")
