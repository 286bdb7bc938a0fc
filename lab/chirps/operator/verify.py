"""`verify`: is the schema what the files make of an empty database, and is it whole?"""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from lab.chirps.errors import CannotTell
from lab.chirps.operator import snapshot
from lab.chirps.operator.answer import Answer, Says, worst
from lab.chirps.operator.applied import Applied, Where, read_applied
from lab.chirps.operator.asking import Connection, ask
from lab.chirps.operator.notes import floor_after, note
from lab.chirps.operator.replay import Ground
from lab.chirps.operator.scratch import scratch
from lab.chirps.operator.snapshot import Snapshot
from lab.chirps.settings import Settings

# One that is being built is invalid too, and only its end tells more.
INVALID = """
SELECT format('index %s on %s is invalid%s', i.indexrelid::regclass, i.indrelid::regclass,
    CASE WHEN EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = i.indexrelid)
         THEN ': it is being built now' ELSE ': drop it and build it again' END)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND n.nspname !~ '^pg_' ORDER BY 1
"""
UNVALIDATED = """
SELECT format('constraint %I on %s is not validated: ALTER TABLE %s VALIDATE CONSTRAINT %I',
    k.conname, k.conrelid::regclass, k.conrelid::regclass, k.conname)
FROM pg_constraint AS k JOIN pg_namespace AS n ON n.oid = k.connamespace
WHERE NOT k.convalidated AND n.nspname !~ '^pg_' ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Check:
    """`findings` are what is wrong; for a check that could not be made, why."""

    name: str
    says: Says
    findings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def lines(self) -> Iterator[str]:
        yield f"  {self.says:<11}  {self.name}"
        for finding in self.findings:
            yield from (f"               {line}" for line in finding.splitlines())


def of(name: str, findings: Iterator[str]) -> Check:
    found = tuple(findings)
    return Check(name, Says.NO if found else Says.YES, found)


def verify(asked: Settings, where: Where, conninfo: str | None) -> Answer:
    """Look at the database, and at a scratch one that the same files made."""
    with ask(asked) as connection:
        applied = read_applied(connection, where)
        checks = [
            of("every index is valid", texts(connection, INVALID)),
            of("every constraint is validated", texts(connection, UNVALIDATED)),
            of("each version is recorded once", duplicates(applied)),
            of("no version is missing", gaps(applied)),
            of("every version has a file", strangers(applied)),
            of("the compat floor is that of the files", floor(applied)),
        ]
        found = snapshot.take(connection, version_table=where.table)
    checks.append(compare(asked, applied, found, conninfo))
    return summary(applied, checks, found)


def steps_after(applied: Applied, checks: list[Check]) -> tuple[str, ...]:
    """Return what mends what was found, where one statement does, and else where to look."""
    found = [finding for check in checks if check.says is Says.NO for finding in check.findings]
    look = f"chirps migrate status --track {applied.track}"
    return tuple(dict.fromkeys(step_of(finding, look) for finding in found))


def step_of(finding: str, otherwise: str) -> str:
    if index := re.match(r"index (.+) on .+ is invalid: drop it", finding):
        return f"REINDEX INDEX CONCURRENTLY {index[1]};"
    _, is_open, statement = finding.partition(" is not validated: ")
    return f"{statement};" if is_open else otherwise


def texts(connection: Connection, statement: str) -> Iterator[str]:
    yield from (str(text) for (text,) in connection.execute(statement.encode()).fetchall())


def duplicates(applied: Applied) -> Iterator[str]:
    """The table of goose lets a version in twice: two runs at once, without a lock."""
    for version in applied.twice:
        yield f"version {version} is recorded {applied.recorded.count(version)} times: it ran twice"


def gaps(applied: Applied) -> Iterator[str]:
    for each in applied.missing:
        yield f"{each.name} is not applied, but later ones are"


def strangers(applied: Applied) -> Iterator[str]:
    for version in applied.unknown:
        yield f"version {version} is applied and has no file in track {applied.track}"


def floor(applied: Applied) -> Iterator[str]:
    expected = floor_after(map(note, applied.done)) if applied.done else None
    if applied.floor != expected:
        yield f"the database has {applied.floor}, the files that are applied make it {expected}"


def compare(asked: Settings, applied: Applied, found: Snapshot, conninfo: str | None) -> Check:
    name = "the schema is what the files make"
    if applied.unknown:
        return Check(name, Says.CANNOT_TELL, ("files are missing here to make it again",))
    try:
        with scratch(asked, conninfo) as connection:
            Ground(connection, None, applied.done).lay()
            expected = snapshot.take(connection)
    except CannotTell as error:
        return Check(name, Says.CANNOT_TELL, (str(error),))
    return of(name, (each.sentence for each in snapshot.differences(expected, found)))


def summary(applied: Applied, checks: list[Check], found: Snapshot) -> Answer:
    says = worst([check.says for check in checks])
    sentences = {
        Says.YES: f"schema {applied.version} is whole and as the files make it",
        Says.NO: f"schema {applied.version} is not as it should be",
        Says.CANNOT_TELL: f"schema {applied.version} could not be looked at whole",
    }
    digest = snapshot.digest(found)
    return Answer(
        says,
        sentences[says],
        (*(line for check in checks for line in check.lines), f"  fingerprint {digest}"),
        steps_after(applied, checks) if says is Says.NO else (),
        {
            "track": applied.track,
            "schema": applied.version,
            "floor": applied.floor,
            "fingerprint": digest,
            "checks": [check.as_json() for check in checks],
        },
    )
