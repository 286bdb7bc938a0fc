"""`down`: back to an older schema, but only along a way that was shown to lead there.

A Down that nobody ever ran is a guess. So each file's is run first, on a scratch database: up,
down, and the schema must be what it was. Some real rows are in it, so that a NOT NULL which
they break is seen; one that only others break is not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from lab import goose
from lab.chirps import migrate
from lab.chirps.admin import connect
from lab.chirps.errors import Refused
from lab.chirps.operator import losses, snapshot
from lab.chirps.operator.answer import Answer, Says
from lab.chirps.operator.applied import Applied, Where, read_applied
from lab.chirps.operator.asking import Connection, ask
from lab.chirps.operator.history import RELEASES, in_need_of
from lab.chirps.operator.identity import Kind
from lab.chirps.operator.losses import Loss, Lost
from lab.chirps.operator.notes import note
from lab.chirps.operator.replay import replay
from lab.chirps.operator.sample import fill
from lab.chirps.operator.scratch import scratch
from lab.chirps.operator.sessions import read_sessions
from lab.chirps.settings import Settings
from lab.goose import Migration
from lab.goose.annotations import Reversible


@dataclass(frozen=True, slots=True)
class Proof:
    """What taking back one file did on a scratch database; `failure` is None when it is proven."""

    migration: Migration
    failure: str | None
    lost: tuple[Lost, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """The way back from `applied` to version `to`: what it costs and what speaks against it."""

    applied: Applied
    to: int
    proofs: tuple[Proof, ...]
    losses: tuple[tuple[Loss, ...], ...]
    objections: tuple[str, ...]

    @property
    def lines(self) -> Iterator[str]:
        for proof, lost in zip(self.proofs, self.losses, strict=True):
            said = note(proof.migration)
            proven = "proven" if proof.failure is None else "not proven"
            yield f"  {said.file}: reversible={said.reversible}, its Down is {proven}"
            for each in lost:
                yield f"    drops {each.sentence}"
        for objection in self.objections:
            yield f"  refused: {objection}"

    def as_json(self) -> dict[str, Any]:
        files = [
            {
                "version": proof.migration.version,
                "file": proof.migration.name,
                "reversible": note(proof.migration).reversible,
                "proven": proof.failure is None,
                "failure": proof.failure,
                "losses": [each.as_json() for each in lost],
            }
            for proof, lost in zip(self.proofs, self.losses, strict=True)
        ]
        return {
            "track": self.applied.track,
            "from": self.applied.version,
            "to": self.to,
            "files": files,
            "objections": list(self.objections),
        }


def plan_down(asked: Settings, where: Where, to: int | None, *, conninfo: str | None) -> Answer:
    """Say what `down` would do; changes nothing."""
    way = find_way(asked, where, to, accepted=False, conninfo=conninfo)
    return refusal(way) or Answer(
        Says.YES,
        f"schema {way.applied.version} may go back to {way.to}",
        tuple(way.lines),
        facts=way.as_json(),
    )


def down(
    asked: Settings,
    where: Where,
    to: int | None,
    on_event: goose.OnEvent,
    options: goose.Options,
    *,
    accepted: bool,
    conninfo: str | None,
) -> Answer:
    """Go back to version `to`, or by one, if nothing speaks against it.

    Raises Refused when a Down fails all the same: those before it stay taken back.
    """
    way = find_way(asked, where, to, accepted=accepted, conninfo=conninfo)
    if answer := refusal(way):
        return answer
    with connect(asked) as connection, migrate.refusals(connection):
        if goose.current_version(connection, name=where.table) != way.applied.version:
            raise Refused("somebody migrated meanwhile; ask again")
        if to is None:
            goose.down(connection, way.applied.files, on_event, options=options)
        else:
            goose.down_to(connection, way.applied.files, to, on_event, options=options)
    sentence = f"the database has version {way.to}"
    return Answer(Says.YES, sentence, tuple(way.lines), facts=way.as_json())


def refusal(way: Way) -> Answer | None:
    if not way.proofs:
        sentence = f"the database has version {way.applied.version}: nothing to take back"
        return Answer(Says.YES, sentence, facts=way.as_json())
    if not way.objections:
        return None
    sentence = f"schema {way.applied.version} does not go back to {way.to}"
    return Answer(Says.NO, sentence, tuple(way.lines), tuple(advice(way)), way.as_json())


def advice(way: Way) -> Iterator[str]:
    yield "leave the schema as it is and roll the release back: chirps migrate can-i-rollback"
    if any(note(each.migration).reversible is Reversible.LOSES_DATA for each in way.proofs):
        yield "or, when what is dropped above may go: --data-loss-accepted"


def find_way(
    asked: Settings, where: Where, to: int | None, *, accepted: bool, conninfo: str | None
) -> Way:
    """Look, try it on a scratch database, count what would be lost."""
    with ask(asked) as connection:
        applied = read_applied(connection, where)
        target = previous(applied) if to is None else to
        files = last_file(applied) if to is None else files_to_take_back(applied, to)
        source = connection if conninfo is None else None
        proofs = prove(asked, applied, files, conninfo, source) if files else ()
        lost = tuple(
            tuple(losses.count(connection, each) for each in proof.lost) for proof in proofs
        )
        objections = (
            *(each for proof in proofs for each in objections_to(proof, accepted=accepted)),
            *(in_use(connection, target) if files else ()),
        )
    return Way(applied, target, proofs, lost, objections)


def previous(applied: Applied) -> int:
    """The version that was applied before the last one; 0 when there was none."""
    return applied.recorded[-2] if len(applied.recorded) > 1 else 0


def last_file(applied: Applied) -> tuple[Migration, ...]:
    """What was applied last is not always what is newest."""
    return tuple(file_of(version, applied) for version in applied.recorded[-1:])


def files_to_take_back(applied: Applied, to: int) -> tuple[Migration, ...]:
    """Return them last applied first, until one that is not newer than `to`, as goose does."""
    newer = takewhile(lambda version: version > to, reversed(applied.recorded))
    return tuple(file_of(version, applied) for version in dict.fromkeys(newer))


def file_of(version: int, applied: Applied) -> Migration:
    for each in applied.files:
        if each.version == version:
            return each
    raise Refused(
        f"version {version} has no file in track {applied.track}, so nobody knows its way back; "
        "ask the image that applied it, or see --track"
    )


def prove(
    asked: Settings,
    applied: Applied,
    files: tuple[Migration, ...],
    conninfo: str | None,
    real: Connection | None,
) -> tuple[Proof, ...]:
    """Run the way up on a scratch database, and back with some rows of the real one."""
    with scratch(asked, conninfo) as connection:
        replay(connection, [each for each in applied.done if each not in files])
        stairs = []
        for each in reversed(files):
            stairs.append(snapshot.take(connection))
            replay(connection, [each])
        if real is not None:
            fill(real, connection)
        top = losses.read_columns(connection)
        return tuple(step_down(connection, each, stairs.pop(), top) for each in files)


def step_down(
    connection: Connection, migration: Migration, expected: snapshot.Snapshot, top: losses.Columns
) -> Proof:
    """Take one file back; after a failure those below it stand on wrong ground, and fail too."""
    before = losses.read_columns(connection)
    failure = try_down(connection, migration)
    after = losses.read_columns(connection)
    kept = {key: name for key, name in top.items() if key in before}
    lost = losses.gone(kept, after)
    if failure is None:
        wrong = snapshot.differences(expected, snapshot.take(connection))
        failure = "; ".join(each.sentence for each in wrong) or None
    return Proof(migration, failure, lost)


def try_down(connection: Connection, migration: Migration) -> str | None:
    """An empty Down is fine where there is nothing to take back: the schema will tell."""
    try:
        goose.down(connection, (migration,))
    except goose.GooseError as error:
        return str(error)
    return None


def objections_to(proof: Proof, *, accepted: bool) -> Iterator[str]:
    said = note(proof.migration)
    if said.reversible is Reversible.NO:
        yield f"{said.file} says that there is no way back"
    if said.reversible is Reversible.LOSES_DATA and not accepted:
        yield f"{said.file} says that data is lost on the way back"
    if proof.failure is not None:
        yield f"the Down of {said.file} does not lead back: {proof.failure}"


def in_use(connection: Connection, to: int) -> Iterator[str]:
    """A release that is connected and needs more than what is left would fail at once."""
    services = [
        each
        for each in read_sessions(connection)
        if each.is_here and each.identity.kind is Kind.SERVICE
    ]
    for release in in_need_of(to, (each.identity.release for each in services)):
        number = sum(each.identity.release == release for each in services)
        needed = RELEASES[release].required_schema
        count = f"{number} session{'' if number == 1 else 's'}"
        yield f"{release} needs schema {needed} and has {count}: roll it back first"
