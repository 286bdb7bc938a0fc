"""Lines on disk: whole, in order, and readable while they are written."""

import json
import resource
from pathlib import Path

import pytest

from lab.observer import streamfile
from lab.observer.order import InOrder
from lab.observer.stream import Stream, StreamFailed
from lab.observer.streamfile import Extent, OffsetPastEnd


def stream(path: Path) -> Stream:
    return Stream(path, run="r1", instance="i1", nice=-10)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_stream_begins_and_ends_with_lines_about_itself(tmp_path: Path) -> None:
    opened = stream(tmp_path / "load.jsonl")
    for number in range(1000):
        opened.write({"kind": "x", "t": number})
    opened.close()

    first, *between, last = lines(tmp_path / "load.jsonl")
    del first["t"]
    assert first == {
        "kind": "stream",
        "stream": "load",
        "run": "r1",
        "instance": "i1",
        "nice": -10,
    }
    assert [line["t"] for line in between] == list(range(1000))
    assert (last["kind"], last["stream"], last["lines"]) == ("closed", "load", 1002)


def test_a_stream_that_was_given_up_has_no_last_line(tmp_path: Path) -> None:
    opened = stream(tmp_path / "load.jsonl")
    opened.write({"kind": "x", "t": 1})
    opened.abandon()

    assert [line["kind"] for line in lines(tmp_path / "load.jsonl")] == ["stream", "x"]
    assert not streamfile.measure(tmp_path / "load.jsonl").closed


def test_a_stream_is_never_begun_twice(tmp_path: Path) -> None:
    stream(tmp_path / "load.jsonl").close()

    with pytest.raises(FileExistsError):
        stream(tmp_path / "load.jsonl")


def test_a_disk_that_takes_no_more_is_told_to_whoever_writes(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        opened = stream(tmp_path / "load.jsonl")
        opened.write({"kind": "x", "t": "x" * 1000})

        with pytest.raises(StreamFailed):
            opened.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert streamfile.measure(tmp_path / "load.jsonl").closed is False


def test_only_complete_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    path.write_bytes(b'{"a":1}\n{"b":2}\n{"c":')

    assert streamfile.read(path, 0) == (b'{"a":1}\n{"b":2}\n', Extent(16, closed=False))
    assert streamfile.read(path, 8)[0] == b'{"b":2}\n'
    assert streamfile.read(path, 16)[0] == b""
    assert list(streamfile.complete_lines(path)) == [b'{"a":1}\n', b'{"b":2}\n']


def test_an_offset_past_the_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    path.write_bytes(b'{"a":1}\n{"b')

    with pytest.raises(OffsetPastEnd, match=r"byte 9 of load is not within 0\.\.8"):
        streamfile.read(path, 9)


def test_a_file_without_a_line_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    path.write_bytes(b'{"a"')

    assert streamfile.measure(path) == Extent(0, closed=False)
    assert streamfile.read(path, 0)[0] == b""


def test_pieces_end_with_a_line_and_give_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    content = b"".join(b'{"n":%d}\n' % number for number in range(500))
    path.write_bytes(content)

    pieces, offset = [], 0
    while piece := streamfile.read(path, offset, at_most=100)[0]:
        assert piece.endswith(b"\n")
        assert len(piece) <= 100
        pieces.append(piece)
        offset += len(piece)

    assert b"".join(pieces) == content


def test_a_line_longer_than_a_piece_comes_whole(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    long = b'{"message":"' + b"x" * 20_000 + b'"}\n'
    path.write_bytes(b"{}\n" + long + b"{}\n")

    assert streamfile.read(path, 3, at_most=100)[0] == long


@pytest.mark.parametrize("length", [1, 4000, 4096, 20_000])
def test_the_last_line_is_found_however_long_it_is(tmp_path: Path, length: int) -> None:
    path = tmp_path / "load.jsonl"
    closed = json.dumps({"kind": "closed", "x": "x" * length}).encode() + b"\n"
    path.write_bytes(b"{}\n" + closed)

    assert streamfile.measure(path) == Extent(3 + len(closed), closed=True)


def test_lines_come_in_the_order_of_their_numbers() -> None:
    written: list[int] = []
    ordered = InOrder(lambda line: written.append(line["seq"]))

    for seq in (2, 0, 3, 1, 4):
        ordered.put(seq, {"seq": seq})
        assert written == sorted(written)

    assert written == [0, 1, 2, 3, 4]
    assert ordered.held == 0


def test_a_number_has_one_line() -> None:
    ordered = InOrder(lambda _: None)
    ordered.put(0, {})
    ordered.put(2, {})

    for seq in (0, 2):
        with pytest.raises(ValueError, match=f"line {seq} was put twice"):
            ordered.put(seq, {})
