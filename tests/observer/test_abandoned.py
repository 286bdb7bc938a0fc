"""A run that nobody asks for any more ends itself, and never looks like a good one."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from lab.observer.watchdog import Watchdog
from tests.observer.loading import content
from tests.observer.runs import Ask, observer, state, workers

SPEC = content()
OTHER = {**SPEC, "run": "r2"}
REASON = "nobody has read for 0.05 s"


class Counting(Watchdog):
    """Counts how often it is fed."""

    fed = 0

    @override
    def feed(self) -> None:
        self.fed += 1
        super().feed()


class AtWill(Watchdog):
    """Bites when a test wants it to."""

    @override
    def start(self, expire: Callable[[], None]) -> None:
        self.bite = expire


async def abandoned(ask: Ask) -> dict[str, Any]:
    """Start a run, ask for it no more, and return how the observer is at its end."""
    assert (await ask("POST", "/runs", SPEC))[0] == 201
    return await state(ask, "stopped")


def test_a_run_that_nobody_asks_for_ends_and_its_load_is_told_why(tmp_path: Path) -> None:
    async def scenario() -> dict[str, Any]:
        told = f"cat >{tmp_path}/told"
        async with observer(tmp_path / "runs", watchdog=Watchdog(0.05), load=told) as ask:
            return await abandoned(ask)

    health = asyncio.run(scenario())

    assert (health["run"], health["error"], health["processes"]) == ("r1", REASON, {})
    assert (tmp_path / "told").read_text() == REASON


def test_an_abandoned_run_can_still_be_read_and_deleted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with observer(tmp_path, watchdog=Watchdog(0.05)) as ask:
            await abandoned(ask)
            (tmp_path / "r1/load.jsonl").write_bytes(b"{}\n")
            assert (await ask("GET", "/runs/r1/streams/load"))[1] == "{}\n"
            assert (await ask("DELETE", "/runs/r1"))[0] == 200
            assert (await ask("GET", "/healthz"))[1]["state"] == "idle"

    asyncio.run(scenario())


def test_another_run_may_follow_an_abandoned_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with observer(tmp_path, watchdog=Watchdog(0.05)) as ask:
            await abandoned(ask)
            assert (await ask("POST", "/runs", OTHER))[0] == 201
            # It is watched as well.
            health = await state(ask, "stopped")
            assert (health["run"], health["error"]) == ("r2", REASON)
            assert (await ask("GET", "/runs/r1/streams"))[0] == 200

    asyncio.run(scenario())


def test_the_audit_of_an_abandoned_run_goes_on_to_its_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        go_on = tmp_path / "go-on"
        audit = f"until [ -e {go_on} ]; do sleep 0.01; done"
        watchdog = AtWill()
        async with observer(tmp_path / "runs", watchdog=watchdog, audit=audit) as ask:
            await ask("POST", "/runs", SPEC)
            assert (await ask("POST", "/runs/r1/audit", {}))[0] == 202
            watchdog.bite()
            await workers(ask, "audit")
            assert (await ask("GET", "/healthz"))[1]["state"] == "stopping"
            go_on.touch()
            assert (await state(ask, "stopped"))["error"] == "nobody has read for 120 s"

    asyncio.run(scenario())


def test_a_run_that_is_over_is_not_abandoned(tmp_path: Path) -> None:
    async def scenario() -> None:
        watchdog = AtWill()
        async with observer(tmp_path, watchdog=watchdog) as ask:
            await ask("POST", "/runs", SPEC)
            await ask("POST", "/runs/r1/stop")
            await state(ask, "stopped")
            watchdog.bite()
            assert (await state(ask, "stopped"))["error"] is None

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("method", "path", "counts"),
    [
        ("GET", "/runs/r1/streams", True),
        ("GET", "/runs/r1/streams/load?offset=0", True),
        ("POST", "/runs/r1/audit", True),
        ("POST", "/runs/r1/stop", True),
        # The kubelet's probe asks for the health of an observer that nobody else needs.
        ("GET", "/healthz", False),
        ("GET", "/clock", False),
        ("GET", "/runs/r2/streams", False),
    ],
)
def test_who_names_the_run_wants_it(tmp_path: Path, method: str, path: str, counts: bool) -> None:
    async def scenario() -> None:
        watchdog = Counting(600)
        async with observer(tmp_path, watchdog=watchdog) as ask:
            await ask("POST", "/runs", SPEC)
            before = watchdog.fed
            await ask(method, path, {} if method == "POST" else None)
            assert watchdog.fed - before == counts

    asyncio.run(scenario())
