"""The start state of the data: a template database, and the service's database made from it.

The template is filled once by the service's own image (migrations 1 to 5, then the seed)
and copied as files for every run, which takes seconds whatever the seed took.
"""

from dataclasses import dataclass

from lab.kube.client import Client
from lab.postgres import roles, template
from lab.postgres.roles import TEMPLATE
from lab.progress import Task
from lab.service import jobs
from lab.service.database import Database
from lab.service.names import START_RELEASE

BASE_SCHEMA = 5
SEED_BOUND_S = 300.0


@dataclass(frozen=True, slots=True)
class Seed:
    """How much there is at the start, and from which images it was made."""

    users: int
    chirps: int
    image_key: str

    @property
    def mark(self) -> str:
        """Return what the template database says of itself when it is complete."""
        return f"lab seed {self.users} {self.chirps} {self.image_key}"


def ensure_template(database: Database, client: Client, seed: Seed, task: Task) -> bool:
    """Fill the template unless it is there and of this seed; return whether it was filled."""
    if database.value(template.ask_mark(), database="postgres") == seed.mark:
        return False
    database.run("\n".join(template.drop(TEMPLATE)), database="postgres")
    database.run(template.create(TEMPLATE), database="postgres")
    database.run(roles.grants(), database=TEMPLATE)
    steps = {
        "seed-schema": ["migrate", "up", "--to", str(BASE_SCHEMA)],
        "seed-data": ["seed", "--users", str(seed.users), "--chirps", str(seed.chirps)],
    }
    for number, (name, arguments) in enumerate(steps.items()):
        task.advance(number, len(steps), name)
        job = jobs.Job(name, START_RELEASE, tuple(arguments), TEMPLATE)
        jobs.run(client, job, timeout_s=SEED_BOUND_S)
    database.run(template.TIDY, database=TEMPLATE)
    database.run("\n".join(template.close(seed.mark)), database="postgres")
    return True


def restore(database: Database) -> None:
    """Put the service's database back to the seed; whoever is connected is thrown out."""
    database.run("\n".join(template.restore()), database="postgres")
