"""A watcher says each second that it is there, and how late it was at worst."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from lab.observer.openloop import MS
from lab.observer.stream import Stream, StreamFailed
from lab.observer.ticks import PROBE_EVERY, Ticks, ticking

S = 1000 * MS
BEGAN = 7 * S
Lines = list[dict[str, Any]]


def looked(ticks: Ticks, *times: int) -> Lines:
    """Return the ticks of looks at these times, ns after the beginning."""
    return [line for at in times if (line := ticks.look(BEGAN + at))]


def punctual(since: int, until: int) -> list[int]:
    return list(range(since + PROBE_EVERY, until + 1, PROBE_EVERY))


def tick(at: int, lag_ms: float) -> dict[str, Any]:
    return {"kind": "tick", "t": BEGAN + at, "stream": "watch", "lag_max_ms": lag_ms}


def test_a_tick_is_due_each_second_after_the_first_line() -> None:
    found = looked(Ticks("watch", began=BEGAN), *punctual(0, 3 * S))

    assert found == [tick(S, 0), tick(2 * S, 0), tick(3 * S, 0)]


def test_the_largest_lag_of_a_second_is_told_once() -> None:
    late = [at + (30 * MS if at == S // 2 else 2 * MS) for at in punctual(0, 2 * S)]

    assert looked(Ticks("watch", began=BEGAN), *late) == [tick(S, 30), tick(2 * S, 2)]


def test_a_tick_that_comes_late_has_the_time_at_which_it_was_due() -> None:
    found = looked(Ticks("watch", began=BEGAN), *punctual(0, S - PROBE_EVERY), S + 400 * MS)

    assert found == [tick(S, 400)]


def test_a_watcher_that_stood_still_leaves_a_gap_and_a_lag() -> None:
    ticks = Ticks("watch", began=BEGAN)
    asleep = 5 * S + 10 * MS

    found = looked(ticks, *punctual(0, S), asleep, *punctual(5 * S, 7 * S))

    lag_ms = (asleep - S - PROBE_EVERY) / MS
    assert found == [tick(S, 0), tick(2 * S, lag_ms), tick(6 * S, 0), tick(7 * S, 0)]


def test_the_last_tick_tells_what_was_not_told_yet() -> None:
    ticks = Ticks("watch", began=BEGAN)

    assert looked(ticks, *punctual(0, S // 2)) == []
    assert ticks.last(BEGAN + S // 2 + PROBE_EVERY + 70 * MS) == tick(
        S // 2 + PROBE_EVERY + 70 * MS, 70
    )


def test_a_loop_that_is_held_up_is_seen(tmp_path: Path) -> None:
    async def scenario() -> int:
        stream = Stream(tmp_path / "watch.jsonl", run="r1", instance="i1")
        async with ticking(stream, asyncio.Event()):
            await asyncio.sleep(0)
            # What a watcher must not do.
            time.sleep(0.3)  # noqa: ASYNC251 - that is what is tried
        stream.close()
        return stream.began

    began = asyncio.run(scenario())

    *_, last, closed = map(json.loads, (tmp_path / "watch.jsonl").read_bytes().splitlines())
    assert (last["kind"], last["stream"]) == ("tick", "watch")
    assert last["lag_max_ms"] >= 300 - PROBE_EVERY / MS
    assert began < last["t"] <= closed["t"]


def test_a_watcher_whose_ticks_cannot_be_written_ends() -> None:
    class Full:
        name = "watch"
        began = time.monotonic_ns() - 10 * S

        def write(self, _: object) -> None:
            raise StreamFailed("no space is left")

    async def scenario() -> None:
        stop = asyncio.Event()
        with pytest.raises(StreamFailed, match="no space is left"):
            async with ticking(Full(), stop):  # type: ignore[arg-type]
                await stop.wait()

    asyncio.run(scenario())
