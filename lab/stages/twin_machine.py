"""What runs for a twin: PostgreSQL, the world, and an observer for each variant."""

from dataclasses import dataclass
from typing import Any

from lab.artifacts.serviceimages import RELEASES
from lab.paths import Paths
from lab.postgres.roles import MIGRATIONS_ROLE, OBSERVER_ROLE
from lab.progress import Task
from lab.stages.twin_profile import CHIRPS, USERS
from lab.twin.database import TwinDatabase
from lab.twin.datacache import DataCache
from lab.twin.observer import TwinObserver
from lab.twin.startstate import Size
from lab.twin.workplace import Workplace
from lab.twin.world_client import WorldClient

NAME = "twin"
STOP_BOUND_S = 30.0


@dataclass(slots=True)
class Machine:
    """What runs for a twin, and is started anew for each variant but for the database."""

    workplace: Workplace
    database: TwinDatabase
    world: WorldClient
    observer: TwinObserver | None = None

    def begin_anew(self) -> TwinObserver:
        """End whatever an earlier variant left, and put the data back."""
        self.world.ask("stop", bound_s=STOP_BOUND_S)
        # Of a run that broke off, whose lines belong to no other history.
        self.world.ask("unwatch")
        self.world.read()
        if self.observer is not None:
            self.observer.close()
        self.database.mend()
        self.database.reset()
        login = self.database.variables(OBSERVER_ROLE)
        self.observer = TwinObserver.start(self.workplace, login)
        return self.observer

    def close(self) -> None:
        if self.observer is not None:
            self.observer.close()
        self.world.close()
        self.database.stop()


def releases(database: TwinDatabase) -> dict[str, Any]:
    """Return each release's module and login; what migrates has the login of migrations."""
    return {
        **{
            name: {"code": code, "variables": database.login_of_release(name)}
            for name, code in RELEASES.items()
        },
        "migrate": {"variables": database.login(MIGRATIONS_ROLE)},
    }


def start_machine(paths: Paths, workplace: Workplace, task: Task) -> Machine:
    database = TwinDatabase(
        workplace,
        DataCache(paths.cache / NAME, paths.caller),
        releases=tuple(RELEASES),
        size=Size(USERS, CHIRPS),
        note=lambda text: task.advance(0, 0, text),
    )
    database.start()
    return Machine(workplace, database, WorldClient.start(workplace))
