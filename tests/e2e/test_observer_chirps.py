"""The observer and the real service on a real database: what it asks is what there is."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.chirps.process import process
from tests.observer.loading import content
from tests.observer.process import observer, requests
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

pytestmark = pytest.mark.e2e
USERS, CHIRPS = 50, 500
SPEC = content(
    users=USERS,
    chirps=CHIRPS,
    sample_hz=5,
    watch=False,
    connect_timeout_s=20,
    total_timeout_s=20,
)
NULLS = {"name": "no empty chirp", "sql": "SELECT count(*) FROM chirps WHERE body IS NULL"}


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811 - a fixture
    for arguments in (("migrate", "up"), ("seed", f"--users={USERS}", f"--chirps={CHIRPS}")):
        subprocess.run(
            [sys.executable, "-m", "lab.chirps", *arguments],
            env={**os.environ, **fresh_database.variables, "CHIRPS_CODE": "v1"},
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return fresh_database


def kind(lines: list[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["kind"] == wanted]


def test_a_service_that_works_gives_a_clean_history(database: Database, tmp_path: Path) -> None:
    async def scenario(port: int) -> dict[str, list[dict[str, Any]]]:
        async with observer(tmp_path, **database.variables) as running:
            spec = {**SPEC, "target": f"http://127.0.0.1:{port}"}
            await running.ask("POST", "/runs", spec)
            await running.requests(at_least=240)
            await running.ask("POST", "/runs/r1/stop")
            await running.state("stopped")
            await running.ask("POST", "/runs/r1/audit", {"invariants": [NULLS]})
            await running.ended("audit")
            assert (await running.ask("GET", "/healthz"))["state"] == "stopped"
            return {name: await running.read(name) for name in ("load", "database", "audit")}

    with process({**database.variables, "CHIRPS_RELEASE": "v1"}) as service:
        service.wait_until_ready()
        streams = asyncio.run(scenario(service.port))

    found = requests(streams["load"])
    assert Counter(line["outcome"] for line in found) == {"ok": len(found)}
    assert len({line["endpoint"] for line in found}) == 6
    assert {line["release"] for line in found} == {"v1"}
    assert {line["pod"] for line in found} == {"pod-1"}
    assert {line["schema"] for line in found} == {5}
    sessions = kind(streams["load"], "session")
    assert sessions
    assert all(session["ok"] for session in sessions)

    samples = kind(streams["database"], "db")
    assert all("error" not in sample for sample in samples)
    assert {sample["schema"] for sample in samples} == {5}
    (schema,) = kind(streams["database"], "schema")
    assert (schema["version"], schema["floor"]) == (5, 1)

    (invariant,) = kind(streams["audit"], "invariant")
    assert (invariant["name"], invariant["value"]) == ("no empty chirp", 0)
    (done,) = kind(streams["audit"], "audit_done")
    creates = [line for line in found if line["endpoint"] == "create_chirp"]
    assert done["acked"] == done["stored"] == len(creates) + len(sessions)
    assert not any(done[name] for name in ("lost", "ambiguous", "duplicated", "unreadable"))
    assert done["unread"] == 0
    assert all(stream[-1]["kind"] == "closed" for stream in streams.values())
