"""Runs over HTTP, with small programs in place of the workers."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.observer.loading import content
from tests.observer.runs import OBEDIENT, observer, state, workers

SPEC = content()
STUBBORN = "trap '' TERM; while :; do sleep 1; done"


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_an_observer_is_idle_and_has_a_name(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with observer(tmp_path) as ask:
            status, health, headers = await ask("GET", "/healthz")
            _, clock, _ = await ask("GET", "/clock")
            missing = await ask("GET", "/elsewhere")

        assert status == 200
        assert health == {
            "instance": headers["X-Observer-Instance"],
            "run": None,
            "state": "idle",
            "error": None,
            "processes": {},
        }
        assert set(clock) == {"monotonic_ns", "wall_ns"}
        assert missing[0] == 404
        assert missing[2]["X-Observer-Instance"] == health["instance"]

    asyncio.run(scenario())


def test_each_start_of_an_observer_has_another_name(tmp_path: Path) -> None:
    async def name() -> str:
        async with observer(tmp_path) as ask:
            return str((await ask("GET", "/healthz"))[1]["instance"])

    assert asyncio.run(name()) != asyncio.run(name())


def test_a_run_has_its_workers_from_start_to_stop(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with observer(tmp_path) as ask:
            assert (await ask("POST", "/runs", SPEC))[0] == 201
            running = await state(ask, "running")
            assert set(running["processes"]) == {"load", "watch", "database"}
            assert running["run"] == "r1"

            assert (await ask("POST", "/runs/r1/stop"))[0] == 202
            stopped = await state(ask, "stopped")
            assert (await ask("POST", "/runs/r1/stop"))[0] == 202

        assert stopped["processes"] == {}
        assert stopped["error"] is None

    asyncio.run(scenario())


def test_only_wanted_workers_are_started(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with observer(tmp_path) as ask:
            await ask("POST", "/runs", {**SPEC, "watch": False, "database": False})
            assert set((await state(ask, "running"))["processes"]) == {"load"}

    asyncio.run(scenario())


def test_one_run_at_a_time_and_no_name_twice(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with observer(tmp_path) as ask:
            await ask("POST", "/runs", SPEC)
            second = await ask("POST", "/runs", {**SPEC, "run": "r2"})
            await ask("POST", "/runs/r1/stop")
            await state(ask, "stopped")
            again = await ask("POST", "/runs", SPEC)
            other = await ask("POST", "/runs", {**SPEC, "run": "r2"})

        assert second[:2] == (409, {"error": "run r1 is running"})
        assert again[:2] == (409, {"error": "run r1 exists already"})
        assert other[0] == 201

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({**SPEC, "rate": 0, "mix": {"x": 1}}, "'rate' 0 is not above 0\n'mix' has unknown"),
        ({"rate": "x"}, "'run' is missing\n'target' is missing\n'seed' is missing"),
        ("{", "Expecting property name"),
    ],
)
def test_a_load_that_cannot_be_made_is_refused(tmp_path: Path, content: Any, said: str) -> None:
    async def scenario() -> None:
        async with observer(tmp_path) as ask:
            status, answer, _ = await ask("POST", "/runs", content)

            assert status == 400
            assert said in answer["error"]
            assert (await ask("GET", "/healthz"))[1]["state"] == "idle"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("echo no room >&2; exit 3", "load ended with 3: no room"),
        ("kill -9 $$", "load was killed by signal 9"),
        ("exit 0", "load ended before it was asked to"),
    ],
)
def test_a_worker_that_dies_fails_the_run(tmp_path: Path, program: str, said: str) -> None:
    async def scenario() -> None:
        async with observer(tmp_path, load=program) as ask:
            await ask("POST", "/runs", SPEC)
            assert (await state(ask, "failed"))["error"] == said
            # The others are ended, so that another run may follow.
            await workers(ask)
            assert (await ask("POST", "/runs/r1/stop"))[0] == 202
            assert (await ask("GET", "/healthz"))[1]["state"] == "failed"
            assert (await ask("POST", "/runs", {**SPEC, "run": "r2"}))[0] == 201

    asyncio.run(scenario())


def test_a_worker_that_ends_badly_when_asked_fails_the_run(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with observer(tmp_path, watch=f"{OBEDIENT}; exit 1") as ask:
            await ask("POST", "/runs", SPEC)
            await ask("POST", "/runs/r1/stop")
            assert (await state(ask, "failed"))["error"] == "watch ended with 1"

    asyncio.run(scenario())


def test_the_end_waits_for_an_audit(tmp_path: Path) -> None:
    async def scenario() -> None:
        waiting = tmp_path / "go-on"
        audit = f"until [ -e {waiting} ]; do sleep 0.01; done"
        async with observer(tmp_path / "runs", audit=audit) as ask:
            await ask("POST", "/runs", SPEC)
            wanted = {"invariants": [{"name": "no null", "sql": "SELECT 0"}]}
            assert (await ask("POST", "/runs/r1/audit", wanted))[0] == 202
            again = await ask("POST", "/runs/r1/audit", wanted)
            assert again[:2] == (409, {"error": "run r1 has been audited"})
            await ask("POST", "/runs/r1/stop")
            await workers(ask, "audit")
            assert (await ask("GET", "/healthz"))[1]["state"] == "stopping"
            waiting.touch()
            await state(ask, "stopped")

        kept = json.loads((tmp_path / "runs/r1/invariants.json").read_text())
        assert kept == wanted["invariants"]

    asyncio.run(scenario())


def test_an_audit_may_follow_the_end_and_its_failure_counts(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with observer(tmp_path, audit="echo no database >&2; exit 1") as ask:
            await ask("POST", "/runs", SPEC)
            await ask("POST", "/runs/r1/stop")
            await state(ask, "stopped")
            await ask("POST", "/runs/r1/audit", {})
            failed = await state(ask, "failed")

        assert failed["error"] == "audit ended with 1: no database"

    asyncio.run(scenario())


@pytest.mark.parametrize("content", [[], {"invariants": [{"name": "x"}]}, {"invariants": "x"}])
def test_an_audit_that_makes_no_sense_is_refused(tmp_path: Path, content: Any) -> None:
    async def scenario() -> None:
        async with observer(tmp_path) as ask:
            await ask("POST", "/runs", SPEC)
            assert (await ask("POST", "/runs/r1/audit", content))[0] == 400

    asyncio.run(scenario())


def test_streams_are_served_by_offset(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with observer(tmp_path) as ask:
            await ask("POST", "/runs", SPEC)
            path = tmp_path / "r1/load.jsonl"
            path.write_bytes(b'{"a":1}\n{"b":2}\n{"c":')
            closed = b'{"kind":"closed"}\n'
            (tmp_path / "r1/watch.jsonl").write_bytes(closed)

            _, listed, _ = await ask("GET", "/runs/r1/streams")
            whole = await ask("GET", "/runs/r1/streams/load")
            rest = await ask("GET", "/runs/r1/streams/load?offset=8")
            past = await ask("GET", "/runs/r1/streams/load?offset=17")
            ended = await ask("GET", f"/runs/r1/streams/watch?offset={len(closed)}")

        assert listed["streams"] == [
            {"name": "load", "size": 16, "closed": False},
            {"name": "watch", "size": len(closed), "closed": True},
        ]
        assert whole[1] == '{"a":1}\n{"b":2}\n'
        assert whole[2]["X-Stream-Size"] == "16"
        assert whole[2]["X-Stream-Closed"] == "false"
        assert rest[1] == '{"b":2}\n'
        assert past[0] == 416
        assert (ended[1], ended[2]["X-Stream-Closed"]) == ("", "true")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/runs/r2/streams", 404),
        ("/runs/r1/streams/nothing", 404),
        ("/runs/r1/streams/..%2Fr1%2Fload", 404),
        ("/runs/..%2Fruns%2Fr1/streams", 404),
        ("/runs/r1/streams/load?offset=-1", 400),
        ("/runs/r1/streams/load?offset=x", 400),
    ],
)
def test_what_is_not_a_stream_is_not_served(tmp_path: Path, path: str, status: int) -> None:
    async def scenario() -> None:
        async with observer(tmp_path / "runs") as ask:
            await ask("POST", "/runs", SPEC)
            (tmp_path / "runs/r1/load.jsonl").write_bytes(b"{}\n")
            assert (await ask("GET", path))[0] == status

    asyncio.run(scenario())


def test_a_restarted_observer_still_serves_what_was_written(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with observer(tmp_path) as ask:
            await ask("POST", "/runs", SPEC)
            (tmp_path / "r1/load.jsonl").write_bytes(b"{}\n")
        async with observer(tmp_path) as ask:
            assert (await ask("GET", "/healthz"))[1]["state"] == "idle"
            assert (await ask("GET", "/runs/r1/streams/load"))[1] == "{}\n"
            stop = await ask("POST", "/runs/r1/stop")

        assert stop[:2] == (409, {"error": "run r1 is not the current one"})

    asyncio.run(scenario())


@pytest.mark.parametrize("program", [OBEDIENT, STUBBORN])
def test_deleting_a_run_ends_it_whatever_it_does(tmp_path: Path, program: str) -> None:
    async def scenario() -> None:
        async with observer(tmp_path, load=program) as ask:
            await ask("POST", "/runs", SPEC)
            pids = (await state(ask, "running"))["processes"].values()
            assert (await ask("DELETE", "/runs/r1"))[0] == 200
            health = (await ask("GET", "/healthz"))[1]
            assert (health["state"], health["run"], health["error"]) == ("idle", None, None)
            assert not any(map(is_running, pids))
            assert (await ask("DELETE", "/runs/r1"))[0] == 404
            assert (await ask("POST", "/runs", SPEC))[0] == 201

    asyncio.run(scenario())


def test_an_observer_that_ends_leaves_no_worker(tmp_path: Path) -> None:
    async def scenario() -> list[int]:
        async with observer(tmp_path, load=STUBBORN) as ask:
            await ask("POST", "/runs", SPEC)
            return list((await state(ask, "running"))["processes"].values())

    assert not any(map(is_running, asyncio.run(scenario())))
