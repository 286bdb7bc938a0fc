"""The plan of pending files: what was measured of each, and in which words it is told."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lab.chirps.operator import modes
from lab.chirps.operator.answer import Answer, Says
from lab.chirps.operator.applied import Applied
from lab.chirps.operator.notes import Note, note
from lab.chirps.operator.sizes import Sizes, in_words
from lab.chirps.operator.undoing import Proof
from lab.goose import Migration
from lab.goose.catalog import RelationLock
from lab.goose.measure import FileFacts

# A table that is smaller is read before anybody notices.
WORTH_TELLING = 1000
# So long an outage is short, and so often somebody forgotten has gone meanwhile.
LIMITS = "--lock-timeout 1 --retries 10"


@dataclass(frozen=True, slots=True)
class FilePlan:
    """One pending file. `cost` is None where it failed on the scratch database, of `failure`."""

    migration: Migration
    cost: FileFacts | None
    back: Proof | None
    failure: str | None
    works: tuple[str, ...]
    stops_working: tuple[str, ...]

    @property
    def note(self) -> Note:
        return note(self.migration)

    @property
    def in_transaction(self) -> bool:
        return self.migration.script().in_transaction


@dataclass(frozen=True, slots=True)
class Plan:
    applied: Applied
    files: tuple[FilePlan, ...]
    sizes: Sizes

    @property
    def to(self) -> int:
        return max([self.applied.version, *(each.migration.version for each in self.files)])

    @property
    def objections(self) -> Iterator[str]:
        if self.applied.missing:
            names = ", ".join(each.name for each in self.applied.missing)
            yield f"older than what is applied, so `up` refuses without --allow-missing: {names}"
        for each in self.files:
            if each.failure is not None:
                yield f"fails on the scratch database: {each.failure}"


def nothing_pending(applied: Applied) -> Answer:
    sentence = f"nothing is pending: the database has version {applied.version}"
    return Answer(Says.YES, sentence, facts={**head(applied), "files": []})


def explain(plan: Plan) -> Answer:
    objections = tuple(plan.objections)
    number = len(plan.files)
    files = f"{number} file{' is' if number == 1 else 's are'} pending"
    sentence = f"{files}: schema {plan.applied.version} to {plan.to}"
    lines = (
        *(line for each in plan.files for line in describe(each, plan.sizes)),
        *(f"  refused: {each}" for each in objections),
    )
    facts = {
        **head(plan.applied),
        "to": plan.to,
        "files": [as_json(each, plan.sizes) for each in plan.files],
        "objections": list(objections),
    }
    return Answer(Says.NO if objections else Says.YES, sentence, lines, tuple(steps(plan)), facts)


def head(applied: Applied) -> dict[str, Any]:
    return {"track": applied.track, "schema": applied.version, "floor": applied.floor}


def describe(file: FilePlan, sizes: Sizes) -> Iterator[str]:
    kind = "in a transaction" if file.in_transaction else "NO TRANSACTION"
    yield f"{file.note.file}: {file.note.phase or 'no phase'}, {kind}"
    if file.cost is not None:
        yield from (f"  {line}" for line in describe_cost(file, file.cost, sizes))
    if file.back is not None:
        yield f"  back     {describe_back(file, file.back)}"
    yield f"  works    afterwards {', '.join(file.works) or 'none that is known'}"
    if file.stops_working:
        yield f"  stops    {', '.join(file.stops_working)}{because(file)}"


def because(file: FilePlan) -> str:
    reasons = [f"{each.release}: {each.because}" for each in file.note.breaks]
    if file.note.floor is not None:
        reasons.append(f"the compat floor is {file.note.floor} then")
    return f" ({'; '.join(reasons)})" if reasons else ""


def describe_cost(file: FilePlan, cost: FileFacts, sizes: Sizes) -> Iterator[str]:
    for lock in felt(cost, sizes):
        rows = in_words(sizes[lock.relation])
        yield f"locks    {lock.relation}: {lock.mode}, which {modes.STOPS[lock.mode]}; {rows}"
    for table in existing(cost.rewritten, sizes):
        yield f"rewrites {table}: as long as it takes to copy {in_words(sizes[table])}"
    for table in existing(scanned(cost), sizes):
        if sizes[table] < WORTH_TELLING:
            continue
        yield f"reads    {table}: as long as it takes to read {in_words(sizes[table])}"
    if not all(each.certain for each in cost.statements):
        yield "unsure   there may be more: a block commits by itself, which hides its locks"
    for end in sorted({end for each in cost.statements for end in each.waits_for}):
        yield f"waits    for the end of transactions: {end}"
    yield f"waits    {waits(file, stops_somebody=stops_somebody(cost, sizes))}"


def felt(cost: FileFacts, sizes: Sizes) -> tuple[RelationLock, ...]:
    """The strongest lock on each table that is there already; a new one has no one to wait."""
    return tuple(each for each in cost.locks if each.relation in sizes)


def stops_somebody(cost: FileFacts, sizes: Sizes) -> bool:
    return any(modes.is_felt(each.mode) for each in felt(cost, sizes))


def existing(tables: Iterable[str], sizes: Sizes) -> tuple[str, ...]:
    return tuple(each for each in tables if each in sizes)


def scanned(cost: FileFacts) -> tuple[str, ...]:
    """Tables that are read from end to end, and not rewritten anyway."""
    found = dict.fromkeys(name for each in cost.statements for name in each.scanned)
    return tuple(each for each in found if each not in cost.rewritten)


def waits(file: FilePlan, *, stops_somebody: bool) -> str:
    said = file.migration.notes
    if said.lock_timeout_s:
        again = f", then again up to {said.retries} times" if said.retries else ", then it fails"
        return f"{said.lock_timeout_s:g} s for a lock{again}"
    if stops_somebody:
        return f"for a lock without limit, and others behind it: use {LIMITS}"
    return "for a lock without limit; it stops nobody meanwhile"


def describe_back(file: FilePlan, back: Proof) -> str:
    lost = ", ".join(each.name for each in back.lost)
    proven = "proven" if back.failure is None else f"not proven ({back.failure})"
    return f"reversible={file.note.reversible}, its Down is {proven}" + (
        f", and drops {lost}" if lost else ""
    )


def as_json(file: FilePlan, sizes: Sizes) -> dict[str, Any]:
    cost, back = file.cost, file.back
    return {
        **file.note.as_json(),
        "in_transaction": file.in_transaction,
        "locks": [] if cost is None else locks_json(cost, sizes),
        "rewrites": [] if cost is None else list(existing(cost.rewritten, sizes)),
        "reads": [] if cost is None else list(existing(scanned(cost), sizes)),
        "measured": None if cost is None else cost.as_json(),
        "down": None if back is None else back_json(back),
        "failure": file.failure,
        "works_afterwards": list(file.works),
        "stops_working": list(file.stops_working),
        "lock_timeout_s": file.migration.notes.lock_timeout_s,
        "retries": file.migration.notes.retries,
    }


def locks_json(cost: FileFacts, sizes: Sizes) -> list[dict[str, Any]]:
    return [
        {
            "table": each.relation,
            "mode": each.mode,
            "stops": modes.STOPS[each.mode],
            "rows": sizes[each.relation],
        }
        for each in felt(cost, sizes)
    ]


def back_json(back: Proof) -> dict[str, Any]:
    return {
        "proven": back.failure is None,
        "failure": back.failure,
        "drops": [each.name for each in back.lost],
    }


def steps(plan: Plan) -> Iterator[str]:
    """Up to the first file that shuts somebody out; that one when it is known that all are gone."""
    track = f" --track {plan.applied.track}"
    shuts = [bool(each.note.lowest_release or each.note.breaks) for each in plan.files]
    free = shuts.index(True) if True in shuts else len(shuts)
    if free:
        version = plan.files[free - 1].migration.version
        yield f"chirps migrate up{track} --to {version}{limits(plan.files[:free], plan.sizes)}"
    if free < len(shuts):
        version = plan.files[free].migration.version
        yield f"chirps migrate can-i-contract{track} --to {version}"
        only = plan.files[free : free + 1]
        yield f"chirps migrate up{track} --to {version}{limits(only, plan.sizes)}"


def limits(files: tuple[FilePlan, ...], sizes: Sizes) -> str:
    """Return the options with which nobody waits behind these files for long.

    None where a file has limits of its own: options would go before them.
    """
    if any(each.migration.notes.lock_timeout_s for each in files):
        return ""
    felt_by_others = any(each.cost and stops_somebody(each.cost, sizes) for each in files)
    return f" {LIMITS}" if felt_by_others else ""
