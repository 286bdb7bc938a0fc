"""`can-i-rollback`: may this older release run on the schema there is?

Yes when its code finds what it needs, the compat floor is not above it, and no file that is
applied says that it breaks it. The schema stays as it is: only the program goes back.
"""

from collections.abc import Iterator

from lab.chirps.operator.answer import Answer, Says
from lab.chirps.operator.applied import Applied, Where, read_applied
from lab.chirps.operator.asking import ask
from lab.chirps.operator.history import RELEASES, needs_of
from lab.chirps.operator.notes import broken_by, note, survivors
from lab.chirps.settings import Settings


def can_i_rollback(asked: Settings, where: Where, release: str) -> Answer:
    """Raises CannotTell for an unknown release, and when the database does not answer."""
    needs_of(release)
    with ask(asked) as connection:
        return decide(release, read_applied(connection, where))


def decide(release: str, applied: Applied) -> Answer:
    reasons = tuple(objections(release, applied))
    facts = facts_of(release, applied) | {"reasons": list(reasons)}
    where = f"schema {applied.version}"
    if reasons:
        sentence = f"{release} cannot run on {where}"
        return Answer(Says.NO, sentence, indented(reasons), ways_out(release, applied), facts)
    if applied.unknown:
        versions = ", ".join(map(str, applied.unknown))
        reason = (
            f"track {applied.track} has no file of version {versions}; what that breaks is unknown"
        )
        step = "ask again with the --track whose files are applied, or from the newest image"
        sentence = f"it is not known whether {release} bears {where}"
        return Answer(Says.CANNOT_TELL, sentence, indented((reason,)), (step,), facts)
    needs = RELEASES[release]
    detail = f"it needs schema {needs.required_schema}, the compat floor is {applied.floor}"
    return Answer(Says.YES, f"{release} can run on {where}", indented((detail,)), (), facts)


def objections(release: str, applied: Applied) -> Iterator[str]:
    needs = RELEASES[release]
    if applied.version > 0 and not needs.is_written_for(applied.track):
        yield f"it was not written for track {applied.track}"
    if applied.version < needs.required_schema:
        yield f"it needs schema {needs.required_schema}, the database has {applied.version}"
    if applied.floor is not None and applied.floor > needs.number:
        yield f"the compat floor is {applied.floor}, and its number is {needs.number}"
    for broken in broken_by(map(note, applied.done), release):
        yield f"{broken.file} is applied and breaks {broken.by.release}: {broken.by.because}"


def ways_out(release: str, applied: Applied) -> tuple[str, ...]:
    """Down is not among them: whether it loses something is a question of its own."""
    needs = RELEASES[release].required_schema
    if applied.version < needs and len(tuple(objections(release, applied))) == 1:
        # The schema is only behind; what the files on the way do to others, the plan says.
        return (f"chirps migrate plan --track {applied.track} --to {needs}",)
    fit = survivors(map(note, applied.done), track=applied.track, schema=applied.version)
    if applied.unknown or not fit:
        return ("leave the schema as it is and go forward with a new release",)
    return (f"roll back to one that can run: {', '.join(fit)}; or go forward",)


def facts_of(release: str, applied: Applied) -> dict[str, object]:
    needs = RELEASES[release]
    return {
        "release": release,
        "number": needs.number,
        "required_schema": needs.required_schema,
        "schema": applied.version,
        "floor": applied.floor,
        "track": applied.track,
        "unknown": list(applied.unknown),
    }


def indented(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"  {line}" for line in lines)
