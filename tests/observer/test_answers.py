"""Answers of HTTP/1.1, however the network cuts them into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.observer.answers import Answer, Malformed

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n"
    b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n"
)
SIZED = b"HTTP/1.1 201 Created\r\nContent-Length: 11\r\nX-A:b\r\n\r\nhello world"
WITH_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + SIZED


def read(*parts: bytes) -> Answer:
    answer = Answer()
    for part in parts:
        answer.feed(part)
    return answer


@given(st.sampled_from([CHUNKED, SIZED, WITH_INTERIM]), st.lists(st.integers(1, 40)))
def test_pieces_make_the_same_answer(content: bytes, lengths: list[int]) -> None:
    parts = []
    for length in lengths:
        parts.append(content[:length])
        content = content[length:]

    answer = read(*parts, content)

    assert answer.complete
    assert bytes(answer.body) == b"hello world"
    assert answer.headers["x-a"] == "b"
    assert answer.status in (200, 201)
    assert answer.keeps_open


@given(st.sampled_from([CHUNKED, SIZED, WITH_INTERIM]), st.integers(1, 200))
def test_an_answer_that_breaks_off_is_never_whole(content: bytes, cut: int) -> None:
    answer = read(content[: max(0, len(content) - cut)])

    assert not answer.end()


def test_without_a_length_the_answer_ends_with_its_connection() -> None:
    answer = read(b"HTTP/1.0 200 OK\r\n\r\nhel", b"lo")

    assert not answer.complete
    assert answer.end()
    assert bytes(answer.body) == b"hello"
    assert not answer.keeps_open


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body(status: int) -> None:
    assert read(f"HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n".encode()).complete


def test_a_server_may_ask_to_close() -> None:
    answer = read(b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n")

    assert answer.complete
    assert not answer.keeps_open


def test_bytes_behind_the_answer_forbid_another_request() -> None:
    assert not read(SIZED + b"H").keeps_open


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    ],
)
def test_what_is_no_answer_is_malformed(content: bytes) -> None:
    with pytest.raises(Malformed):
        read(content)
