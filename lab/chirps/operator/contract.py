"""`can-i-contract`: are all gone who would not bear the next files?

The API server knows what it asked for; the database knows who talks to it. So no session of an
older release may be there, and none may be able to come back: a pod on a node that nobody hears
of comes back when its network does. What keeps it out is a role that may not log in.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from psycopg.rows import class_row

from lab.chirps.operator.answer import Answer, Says
from lab.chirps.operator.applied import Applied, Where, read_applied
from lab.chirps.operator.asking import Connection, ask
from lab.chirps.operator.history import RELEASES
from lab.chirps.operator.identity import Kind, release_of_role
from lab.chirps.operator.notes import Note, note
from lab.chirps.operator.rollback import indented
from lab.chirps.operator.sessions import Session, read_sessions, seconds
from lab.chirps.settings import Settings

EVERY_S = 1.0
ROLES = "SELECT rolname AS name, rolcanlogin AS can_log_in FROM pg_roles ORDER BY rolname"


@dataclass(frozen=True, slots=True)
class Role:
    name: str
    can_log_in: bool

    @property
    def release(self) -> str | None:
        return release_of_role(self.name)


@dataclass(frozen=True, slots=True)
class Clock:
    """Monotonic seconds, and how they pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen of those who would not bear the files."""

    sessions: tuple[Session, ...]
    roles: tuple[Role, ...]

    @property
    def open_roles(self) -> tuple[Role, ...]:
        return tuple(role for role in self.roles if role.can_log_in)

    @property
    def is_fenced(self) -> bool:
        """Nobody is there, and nobody can come: there are roles, and all are shut."""
        return bool(self.roles) and not (self.sessions or self.open_roles)

    @property
    def is_clear(self) -> bool:
        return not (self.sessions or self.open_roles)


@dataclass(frozen=True, slots=True)
class Demand:
    """What the files ask of whoever is connected."""

    files: tuple[Note, ...] = field(default=())

    @property
    def lowest(self) -> int:
        return max((each.lowest_release for each in self.files), default=0)

    def forbids(self, release: str | None) -> bool:
        """A release that nobody knows cannot be shown to bear it."""
        if release is None or release not in RELEASES:
            return True
        return RELEASES[release].number < self.lowest or any(
            each.breaks_of(release) for each in self.files
        )


def can_i_contract(
    asked: Settings, where: Where, to: int | None, quiet_for_s: float, clock: Clock | None = None
) -> Answer:
    """Look until nobody was there for `quiet_for_s`, or until somebody is."""
    with ask(asked) as connection:
        applied = read_applied(connection, where)
        demand = demand_of(applied, to)
        if not demand.files:
            return nothing_to_ask(applied)
        looked = watch(lambda: look(connection, demand), quiet_for_s, clock or Clock())
    return decide(applied, demand, looked, quiet_for_s)


def demand_of(applied: Applied, to: int | None) -> Demand:
    """Keep the files that shut somebody out."""
    notes = map(note, applied.pending_to(to))
    return Demand(tuple(each for each in notes if each.lowest_release or each.breaks))


def nothing_to_ask(applied: Applied) -> Answer:
    sentence = (
        f"no pending file of track {applied.track} shuts a release out (schema {applied.version})"
    )
    return Answer(Says.YES, sentence, facts={"files": [], "sessions": [], "roles": []})


def look(connection: Connection, demand: Demand) -> Looked:
    with connection.cursor(row_factory=class_row(Role)) as cursor:
        roles = cursor.execute(ROLES).fetchall()
    return Looked(
        tuple(each for each in read_sessions(connection) if is_shut_out(each, demand)),
        tuple(role for role in roles if role.release and demand.forbids(role.release)),
    )


def is_shut_out(session: Session, demand: Demand) -> bool:
    who = session.identity
    return bool(session.is_here) and who.kind is Kind.SERVICE and demand.forbids(who.release)


def watch(look_once: Callable[[], Looked], quiet_for_s: float, clock: Clock) -> Looked:
    """Return the first look that finds somebody or a fence, else the last one.

    A pod may sit between two connections, so that one look proves little without a fence.
    """
    end = clock.now() + quiet_for_s
    while True:
        looked = look_once()
        left_s = end - clock.now()
        if not looked.is_clear or looked.is_fenced or left_s <= 0:
            return looked
        clock.sleep(min(EVERY_S, left_s))


def decide(applied: Applied, demand: Demand, looked: Looked, quiet_for_s: float) -> Answer:
    facts = facts_of(applied, demand, looked, quiet_for_s)
    files = ", ".join(each.file for each in demand.files)
    if not looked.is_clear:
        return Answer(
            Says.NO,
            f"{files} must wait: {reason(looked)}",
            (*asked_by(demand), *seen(looked)),
            tuple(fence(looked)),
            facts,
        )
    return Answer(
        Says.YES, f"{files} may run", (*asked_by(demand), *proof(looked, quiet_for_s)), (), facts
    )


def reason(looked: Looked) -> str:
    if looked.sessions:
        number = len(looked.sessions)
        return f"{number} session{' is' if number == 1 else 's are'} of releases it shuts out"
    names = ", ".join(role.name for role in looked.open_roles)
    return f"nobody is there, but {names} can still log in"


def asked_by(demand: Demand) -> Iterator[str]:
    for each in demand.files:
        shuts = [f"breaks {broken.release}" for broken in each.breaks]
        if each.lowest_release:
            shuts.insert(0, f"needs releases of number {each.lowest_release} or more")
        yield f"  {each.file} ({each.phase or 'no phase'}) {' and '.join(shuts)}"


def seen(looked: Looked) -> Iterator[str]:
    for each in looked.sessions:
        address = f" from {each.address}" if each.address else ""
        yield f"  pid {each.pid}: {each.name}, role {each.role}{address}"
        yield f"    {each.doing}; last active {seconds(last_active_s(each))} ago"
    for role in looked.roles:
        yield f"  role {role.name} {'can log in' if role.can_log_in else 'is fenced'}"


def proof(looked: Looked, quiet_for_s: float) -> tuple[str, ...]:
    if looked.is_fenced:
        names = ", ".join(role.name for role in looked.roles)
        return indented((f"no older session, and {names} cannot log in",))
    return indented(
        (
            f"no older session for {quiet_for_s:g} s; older releases have no role of their own, "
            "so nothing keeps them from coming back",
        )
    )


def fence(looked: Looked) -> Iterator[str]:
    """Shut the door before the room is cleared, or they are back at once."""
    for role in looked.open_roles:
        yield f"ALTER ROLE {role.name} NOLOGIN;"
    for each in looked.sessions:
        yield f"SELECT pg_terminate_backend({each.pid});  -- {each.application_name or each.role}"
    for name in strangers(looked):
        yield f"stop these pods: role {name} is not one release's, a fence would hit others"


def strangers(looked: Looked) -> tuple[str, ...]:
    roles = {each.role for each in looked.sessions if each.role and not release_of_role(each.role)}
    return tuple(sorted(roles))


def last_active_s(session: Session) -> float | None:
    """An active session is active now; another was when its state changed."""
    return 0.0 if session.state == "active" else session.state_s


def facts_of(
    applied: Applied, demand: Demand, looked: Looked, quiet_for_s: float
) -> dict[str, Any]:
    return {
        "schema": applied.version,
        "floor": applied.floor,
        "track": applied.track,
        "files": [each.as_json() for each in demand.files],
        "lowest_release": demand.lowest,
        "quiet_for_s": quiet_for_s,
        "fenced": looked.is_fenced,
        "sessions": list(sessions_json(looked.sessions)),
        "roles": [{"name": each.name, "can_log_in": each.can_log_in} for each in looked.roles],
    }


def sessions_json(sessions: Iterable[Session]) -> Iterator[dict[str, Any]]:
    for each in sessions:
        yield {**each.as_json(), "last_active_s": last_active_s(each)}
