"""Lines in and out of a world."""

import asyncio
import json
import os
import threading

from lab.twin.stdio import Output, read_lines


def test_when_nobody_reads_any_more_it_is_told_once() -> None:
    readable, writable = os.pipe()
    closed = threading.Event()
    output = Output(closed.set, writable)
    os.close(readable)

    output.write({"kind": "pod"})

    assert closed.wait(20)
    output.write({"kind": "pod"})
    output.close()
    os.close(writable)


def test_a_reader_that_is_slow_holds_up_nobody() -> None:
    readable, writable = os.pipe()
    output = Output(lambda: None, writable)
    lines = [{"n": n, "text": "x" * 1000} for n in range(1000)]

    for line in lines:
        output.write(line)

    with os.fdopen(readable) as reader:
        assert [json.loads(reader.readline()) for _ in lines] == lines
    output.close()
    os.close(writable)


def test_whole_lines_are_heard_and_then_the_end() -> None:
    readable, writable = os.pipe()
    heard: list[bytes | None] = []

    async def scene() -> None:
        over = asyncio.Event()

        def hear(line: bytes | None) -> None:
            heard.append(line)
            if line is None:
                over.set()

        read_lines(hear, readable)
        for part in (b"one\ntw", b"o\n", b"cut off"):
            os.write(writable, part)
        os.close(writable)
        await over.wait()

    asyncio.run(scene())
    os.close(readable)

    assert heard == [b"one", b"two", None]
