"""The start state of the data: a template database, and the service's database made from it.

The template is filled once by the service's own image (migrations 1 to 5, then the seed)
and copied as files for every run, which takes seconds whatever the seed took.
"""

from dataclasses import dataclass

from lab.kube.client import Client
from lab.progress import Task
from lab.service import jobs, roles
from lab.service.database import Database
from lab.service.names import DATABASE, MIGRATIONS_ROLE, START_RELEASE, TEMPLATE, sql_role

BASE_SCHEMA = 5
SEED_BOUND_S = 300.0
_MARK = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{name}'"


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
    if database.value(_MARK.format(name=TEMPLATE), database="postgres") == seed.mark:
        return False
    database.run(_drop(TEMPLATE), database="postgres")
    database.run(roles.create_database(TEMPLATE), database="postgres")
    database.run(roles.grants(), database=TEMPLATE)
    steps = {
        "seed-schema": ["migrate", "up", "--to", str(BASE_SCHEMA)],
        "seed-data": ["seed", "--users", str(seed.users), "--chirps", str(seed.chirps)],
    }
    for number, (name, arguments) in enumerate(steps.items()):
        task.advance(number, len(steps), name)
        job = jobs.Job(name, START_RELEASE, tuple(arguments), TEMPLATE)
        jobs.run(client, job, timeout_s=SEED_BOUND_S)
    database.run("VACUUM (ANALYZE, FREEZE)", database=TEMPLATE)
    database.run(_close(TEMPLATE, seed.mark), database="postgres")
    return True


def restore(database: Database) -> None:
    """Put the service's database back to the seed; whoever is connected is thrown out."""
    # FILE_COPY: by the write-ahead log, which is the default, every page is written twice,
    # https://www.postgresql.org/docs/18/sql-createdatabase.html
    database.run(
        f"{_drop(DATABASE)}\n"
        f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE} STRATEGY file_copy "
        f"OWNER {sql_role(MIGRATIONS_ROLE)};",
        database="postgres",
    )


def _drop(name: str) -> str:
    return (
        f"UPDATE pg_database SET datistemplate = false WHERE datname = '{name}';\n"  # noqa: S608 - ours
        f"DROP DATABASE IF EXISTS {name} WITH (FORCE);"
    )


def _close(name: str, mark: str) -> str:
    """Keep everybody out, or the first session in it would make the next copy fail."""
    return (
        f"COMMENT ON DATABASE {name} IS '{mark}';\n"
        f"ALTER DATABASE {name} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false;"
    )
