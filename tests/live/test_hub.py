"""Each viewer is as fast as it can be, and none is waited for."""

import asyncio
import json

from lab.live.hub import Hub


def read(message: bytes) -> tuple[str, object]:
    lines = dict(line.split(": ", 1) for line in message.decode().strip().split("\n"))
    return lines["event"], json.loads(lines["data"])


def test_a_viewer_gets_all_of_it_first_and_then_what_has_changed():
    async def look() -> list[tuple[str, object]]:
        hub = Hub()
        viewer = hub.messages()
        await hub.show({"a": [1, 2], "b": 1})
        first = await anext(viewer)
        await hub.show({"a": [1, 2, 3], "b": 1})
        second = await anext(viewer)
        await viewer.aclose()
        return [read(first), read(second)]

    assert asyncio.run(look()) == [
        ("whole", {"a": [1, 2], "b": 1}),
        ("patch", {"o": {"a": {"l": 2, "v": [3]}}, "-": []}),
    ]


def test_a_slow_viewer_skips_what_it_missed():
    async def look() -> tuple[str, object]:
        hub = Hub()
        viewer = hub.messages()
        await hub.show({"n": 0})
        await anext(viewer)
        for number in range(1, 1000):
            await hub.show({"n": number})
        found = read(await anext(viewer))
        await viewer.aclose()
        return found

    assert asyncio.run(look()) == ("whole", {"n": 999})


def test_the_same_frame_again_is_no_news():
    async def look() -> int:
        hub = Hub()
        await hub.show({"n": 0})
        await hub.show({"n": 0})
        return hub.version

    assert asyncio.run(look()) == 1


def test_a_viewer_that_is_gone_is_counted_no_longer():
    async def look() -> tuple[int, int]:
        hub = Hub()
        await hub.show({"n": 0})
        viewer = hub.messages()
        await anext(viewer)
        before = hub.viewers
        await viewer.aclose()
        return before, hub.viewers

    assert asyncio.run(look()) == (1, 0)


def test_nothing_in_a_frame_can_end_a_message():
    async def look() -> bytes:
        hub = Hub()
        await hub.show({"pod": "a\n\nevent: whole\ndata: {}\u2028"})
        viewer = hub.messages()
        found = await anext(viewer)
        await viewer.aclose()
        return found

    assert asyncio.run(look()).count(b"\n") == 4


def test_when_it_closes_every_viewer_goes():
    async def look() -> int:
        hub = Hub()
        await hub.show({"n": 0})
        viewers = [hub.messages() for _ in range(3)]
        for each in viewers:
            await anext(each)
        left = asyncio.gather(*(_rest(each) for each in viewers))
        await asyncio.sleep(0)
        await hub.close()
        await asyncio.wait_for(left, 5)
        return hub.viewers

    async def _rest(viewer) -> None:
        async for _ in viewer:
            pass

    assert asyncio.run(look()) == 0
