"""`why-not`: who holds what a migration waits for, and what may be done about it?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lab.chirps.operator import locks, waits
from lab.chirps.operator.advice import GIDS, Advice, advise, of_prepared, rights
from lab.chirps.operator.answer import Answer, Says
from lab.chirps.operator.asking import ask
from lab.chirps.operator.identity import Kind
from lab.chirps.operator.locks import Lock
from lab.chirps.operator.sessions import Session, by_pid, read_sessions, seconds
from lab.chirps.settings import Settings

PREPARED = 0
AGAIN = "chirps migrate why-not"


@dataclass(frozen=True, slots=True)
class Seen:
    """Sessions and locks of one moment; `role` is who looked."""

    sessions: tuple[Session, ...]
    locks: tuple[Lock, ...]
    role: str

    @property
    def waiting(self) -> tuple[Session, ...]:
        """Who waits in this database, migrations first, then who waits longest."""
        found = [each for each in self.sessions if each.blocked_by and each.is_here]
        return tuple(sorted(found, key=lambda each: (not is_migration(each), -(each.query_s or 0))))

    @property
    def blocked(self) -> waits.Blocked:
        return {each.pid: each.blocked_by for each in self.sessions if each.blocked_by}

    @property
    def roots(self) -> tuple[int, ...]:
        """At the root of what migrations wait for; when none waits, of what anybody does."""
        asking = [each.pid for each in self.waiting if is_migration(each)]
        return waits.roots(asking or [each.pid for each in self.waiting], self.blocked)


def is_migration(session: Session) -> bool:
    return session.identity.kind is Kind.MIGRATION


def why_not(asked: Settings) -> Answer:
    """Look once. Raises CannotTell when the database does not answer."""
    with ask(asked) as connection:
        # Locks after sessions: who waits in the first look mostly still does in the second.
        sessions = read_sessions(connection)
        return explain(Seen(sessions, locks.read_locks(connection), connection.info.user))


def explain(seen: Seen) -> Answer:
    """Return yes when nobody waits, no when somebody does, with the root and what to type."""
    if not seen.waiting:
        return nothing_waits(seen)
    known = by_pid(seen.sessions)
    advised = {pid: advise(known[pid]) if pid in known else gone(pid) for pid in seen.roots}
    return Answer(
        Says.NO,
        sentence_of(seen),
        tuple(describe(seen, advised)),
        steps(seen, advised),
        {
            "waiting": [waiter_json(each, seen) for each in seen.waiting],
            "roots": [root_json(pid, advice, seen) for pid, advice in advised.items()],
        },
    )


def steps(seen: Seen, advised: dict[int, Advice]) -> tuple[str, ...]:
    """Return what to type now: what ends the roots that may be ended, and else a closer look."""
    known = by_pid(seen.sessions)
    hidden = [known[pid] for pid in advised if pid in known and known[pid].is_hidden]
    shown = {pid: advice for pid, advice in advised.items() if known.get(pid) not in hidden}
    found = [step_of(pid, advice, is_there=pid in known) for pid, advice in shown.items()]
    return (*dict.fromkeys(found), *rights(hidden, seen.role))


def step_of(pid: int, advice: Advice, *, is_there: bool) -> str:
    if advice.is_safe:
        return advice.statement
    if pid == PREPARED:
        return f"{GIDS};"
    look = f"SELECT * FROM pg_stat_activity WHERE pid = {pid};"  # noqa: S608 - to be read
    return look if is_there else AGAIN


def nothing_waits(seen: Seen) -> Answer:
    """A migration that polls for goose's lock waits as well, but not where the server sees it."""
    known = by_pid(seen.sessions)
    holders = [known[pid] for pid in locks.goose_lock_holders(seen.locks) if pid in known]
    lines = tuple(
        f"  goose's lock {locks.GOOSE_LOCK} is held by pid {each.pid}, {each.name} ({each.doing}); "
        "a migration with --lock try polls for it without waiting"
        for each in holders
    )
    facts = {"waiting": [], "roots": [], "goose_lock": [each.as_json() for each in holders]}
    return Answer(Says.YES, "nothing waits for a lock in this database", lines, facts=facts)


def gone(pid: int) -> Advice:
    if pid == PREPARED:
        return of_prepared()
    return Advice(None, "it was gone when it was looked at; ask again", "")


def sentence_of(seen: Seen) -> str:
    migrations = sum(is_migration(each) for each in seen.waiting)
    others = len(seen.waiting) - migrations
    who = [
        counted(migrations, "migration") if migrations else "",
        counted(others, "other session" if migrations else "session") if others else "",
    ]
    verb = "waits" if len(seen.waiting) == 1 else "wait"
    return f"{' and '.join(filter(None, who))} {verb} for {counted(len(seen.roots), 'process')}"


def counted(number: int, what: str) -> str:
    plural = "es" if what.endswith("s") else "s"
    return f"{number} {what}{'' if number == 1 else plural}"


def describe(seen: Seen, advised: dict[int, Advice]) -> Iterator[str]:
    known = by_pid(seen.sessions)
    for pid, advice in advised.items():
        yield "at the root:"
        who = who_is(known[pid]) if pid in known else "a transaction of no process"
        yield f"  pid {pid}: {who}"
        if pid in known:
            yield f"    {known[pid].doing}"
            yield from transaction_of(known[pid])
        yield from holdings(pid, seen)
        yield f"    {advice.verdict}: {advice.because}"
        yield f"      {advice.statement}"
    yield "waiting:"
    for each in seen.waiting:
        behind = ", ".join(str(pid) for pid in sorted(set(each.blocked_by)))
        wanted = locks.wanted_by(each.pid, seen.locks)
        what = "" if wanted is None else f" for {wanted.mode} on {wanted.target}"
        since = seconds(each.query_s)
        yield f"  pid {each.pid}: {each.name}{what}, since {since}, behind {behind}"


def who_is(session: Session) -> str:
    role = f", role {session.role}" if session.role else ""
    address = f", from {session.address}" if session.address else ""
    return f"{session.name}{role}{address}"


def transaction_of(session: Session) -> Iterator[str]:
    if session.transaction_s is not None:
        written = "has written" if session.has_written else "has written nothing"
        began = f", query began {session.query_start}" if session.query_start else ""
        yield f"    its transaction is open for {seconds(session.transaction_s)}, {written}{began}"


def holdings(pid: int, seen: Seen) -> Iterator[str]:
    """Name what it holds that others want; a queue of many wants the same."""
    wanted = [locks.wanted_by(each.pid, seen.locks) for each in seen.waiting]
    targets = {lock.target for lock in wanted if lock is not None}
    for lock in dict.fromkeys(locks.held_on(targets, pid, seen.locks)):
        yield f"    holds {lock.mode} on {lock.target}"


def waiter_json(session: Session, seen: Seen) -> dict[str, Any]:
    wanted = locks.wanted_by(session.pid, seen.locks)
    return {
        **session.as_json(),
        "wants": None if wanted is None else wanted.as_json(),
        "chain": sorted(waits.chain(session.pid, seen.blocked)),
    }


def root_json(pid: int, advice: Advice, seen: Seen) -> dict[str, Any]:
    session = by_pid(seen.sessions).get(pid)
    return {
        **({"pid": pid} if session is None else session.as_json()),
        "holds": [lock.as_json() for lock in seen.locks if lock.pid == pid and lock.granted],
        "advice": advice.as_json(),
    }
