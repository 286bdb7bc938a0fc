"""A slow service must not slow the load, and every planned request has one line."""

import asyncio
import time
from collections import Counter

from tests.observer.loading import load, of_kind, plan, requests, spec
from tests.observer.service import Line, Received, answer, serving


def test_a_stalled_server_does_not_slow_the_schedule() -> None:
    async def scenario() -> None:
        arrived, count = asyncio.Semaphore(0), 150

        async def stall(_: Received, line: Line) -> None:
            # Nobody is answered before all have come: a closed loop would wait for ever.
            arrived.release()
            await all_came.wait()
            await line.send(answer())

        all_came = asyncio.Event()

        async def release() -> None:
            for _ in range(count):
                await arrived.acquire()
            all_came.set()

        async with serving(stall) as service, asyncio.TaskGroup() as group:
            group.create_task(release())
            wanted = spec(service.url, rate=500)
            lines = requests(await load(wanted, count))

        assert [line["seq"] for line in lines] == list(range(count))
        assert {line["outcome"] for line in lines} == {"ok"}
        assert len(service.received) == count

    asyncio.run(scenario())


def test_latency_counts_from_when_a_request_was_due() -> None:
    async def scenario() -> None:
        came, count, rate = 0, 100, 500
        all_came = asyncio.Event()

        async def stall(_: Received, line: Line) -> None:
            nonlocal came
            came += 1
            if came == count:
                all_came.set()
            await all_came.wait()
            await line.send(answer())

        async with serving(stall) as service:
            wanted = spec(service.url, rate=rate)
            lines = requests(await load(wanted, count))

        # The service stalled until the last one was due, so the first waited at least that long.
        stalled = (count - 1) * 1_000_000_000 // rate
        assert lines[0]["done"] - lines[0]["t"] >= stalled
        for line in lines:
            assert line["t"] - lines[0]["t"] == line["seq"] * 1_000_000_000 // rate
            assert line["t"] <= line["sent"] <= line["connected"] <= line["first"] <= line["done"]

    asyncio.run(scenario())


def test_every_line_is_one_request_that_reached_the_server() -> None:
    async def scenario() -> None:
        async def mixed(received: Received, line: Line) -> None:
            number = len(service.received)
            if number % 5 == 0:
                line.reset()
            elif number % 5 == 1:
                await line.send(answer(500, {"sqlstate": "42703"}))
            elif number % 5 == 2:
                await line.send(answer(302, Location="/elsewhere"))
            else:
                await line.send(answer())

        async with serving(mixed) as service:
            wanted = spec(service.url, rate=1000, keepalive_share=0.5, keepalive_connections=3)
            lines = requests(await load(wanted, 300))

        sent = Counter(line["id"] for line in lines)
        came = Counter(each.headers["x-request-id"] for each in service.received)
        assert sent == came
        assert set(sent.values()) == {1}
        assert "/elsewhere" not in service.paths

    asyncio.run(scenario())


def test_what_is_sent_follows_from_the_seed_alone() -> None:
    async def scenario() -> None:
        bodies = []
        for _ in range(2):
            async with serving() as service:
                await load(spec(service.url, rate=2000, seed=7), 100)
            by_id = sorted(service.received, key=lambda each: each.headers["x-request-id"])
            bodies.append([(each.method, each.path, each.body) for each in by_id])

        assert bodies[0] == bodies[1]

    asyncio.run(scenario())


def test_a_full_client_says_so_and_sends_no_more() -> None:
    async def scenario() -> None:
        all_sent = asyncio.Event()

        async def stall(_: Received, line: Line) -> None:
            await all_sent.wait()
            await line.send(answer())

        async with serving(stall) as service:
            wanted = spec(service.url, rate=1000, in_flight_cap=10)
            lines = await load(wanted, 50, all_sent=all_sent.set)

        outcomes = Counter(line["outcome"] for line in requests(lines))
        assert outcomes == {"ok": 10, "client_cap": 40}
        assert len(service.received) == 10
        assert [line["seq"] for line in requests(lines)] == list(range(50))
        assert of_kind(lines, "health")[-1]["cap_reached"] is True

    asyncio.run(scenario())


def test_the_end_waits_for_what_is_in_flight() -> None:
    async def scenario() -> None:
        async def slow(_: Received, line: Line) -> None:
            await asyncio.sleep(0.2)
            await line.send(answer())

        async with serving(slow) as service:
            lines = await load(spec(service.url, rate=1000), 20)

        assert [line["outcome"] for line in requests(lines)] == ["ok"] * 20
        health = of_kind(lines, "health")[-1]
        assert (health["planned"], health["sent"], health["done"]) == (20, 20, 20)
        assert health["in_flight"] == 0

    asyncio.run(scenario())


def test_a_client_that_is_held_up_tells_its_lag() -> None:
    async def scenario() -> None:
        async def hold_up(_: Received, line: Line) -> None:
            if len(service.received) == 10:
                # Nothing else runs meanwhile, as on a host without a free core.
                time.sleep(0.1)  # noqa: ASYNC251 - that is the point
            await line.send(answer())

        async with serving(hold_up) as service:
            lines = await load(spec(service.url, rate=500), 100)

        late = max(line["sent"] - line["t"] for line in requests(lines))
        health = of_kind(lines, "health")
        assert late >= 90_000_000
        assert max(line["lag_max_ms"] for line in health) == late / 1_000_000
        assert max(line["lag_p99_ms"] for line in health) >= 80
        assert all(line["cpu"] >= 0 for line in health)

    asyncio.run(scenario())


def test_requests_are_due_where_the_plan_has_them() -> None:
    async def scenario() -> None:
        async with serving() as service:
            wanted = spec(service.url, rate=2000, arrival="poisson", seed=3)
            lines = requests(await load(wanted, 50))

        begin = lines[0]["t"] - plan(wanted, 50)[0].offset
        assert [line["t"] - begin for line in lines] == [each.offset for each in plan(wanted, 50)]

    asyncio.run(scenario())
