"""Hold a whole twin, tell of it, and wait to be killed; started by test_whole.

python holder.py PLACE: a workplace below that directory, a database, an observer and a world
with two pods of v1.
"""

import json
import os
import sys
import time
from pathlib import Path

from lab.paths import Caller
from lab.twin.database import TwinDatabase
from lab.twin.datacache import DataCache
from lab.twin.observer import TwinObserver
from lab.twin.startstate import Size
from lab.twin.workplace import Workplace
from lab.twin.world_client import WorldClient

PROBE = {"period_seconds": 0.2, "timeout_seconds": 5, "failure_threshold": 500}
PROFILE = {
    "replicas": 2,
    "max_surge": 1,
    "max_unavailable": 0,
    "min_ready_seconds": 0,
    "progress_deadline_seconds": 120,
    "termination_grace_period_seconds": 5,
    "pre_stop_seconds": 0,
    "graceful_seconds": 1,
    "startup_probe": PROBE,
    "readiness_probe": PROBE,
    "liveness_probe": PROBE,
    "pool_size": 2,
    "pool_timeout_seconds": 10,
}


def main(place: Path) -> None:
    workplace = Workplace.new(environ={"TMPDIR": str(place)}, needs_bytes=0)
    cache = DataCache(place / "cache", Caller(os.geteuid(), os.getegid(), place))
    database = TwinDatabase(workplace, cache, releases=("v1",), size=Size(60, 600))
    database.start()
    database.reset()
    observer = TwinObserver.start(workplace, database.variables("observer"))
    world = WorldClient.start(workplace)
    releases = {"v1": {"code": "v1", "variables": database.login_of_release("v1")}}
    target = world.ask(
        "start",
        profile=PROFILE,
        database=database.place,
        release="v1",
        releases=releases,
        keep=str(workplace.directory("logs")),
        alive=str(workplace.lock),
        nice=5,
    )["target"]
    world.ask("wait_ready", bound_s=100, within_s=90)
    pods = [pod["pid"] for pod in world.ask("pods")["pods"]]
    postmaster = int((workplace.path / "data/postmaster.pid").read_text().split()[0])
    programs = [observer._process.pid, world._process.pid]
    told = {
        "path": str(workplace.path),
        "target": target,
        "processes": [postmaster, *programs, *pods],
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    time.sleep(600)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
