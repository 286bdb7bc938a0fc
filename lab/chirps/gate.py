"""May this release start on this database? A pure decision, from what was seen of it.

    database                 off    warn      refuse    wait             migrate
    ----------------------   ----   -------   -------   --------------   -----------------
    fits                     start  start     start     start            start
    fits, files pending      start  start     start     start            applies them
    behind what is needed    start  complain  exit 78   retry to budget  applies, or exit 78
    too new                  start  complain  exit 78   exit 78          exit 78
    does not answer          start  complain  exit 2    retry to budget  retry to budget

When it fits is said by a rule:

    required         what the code needs was applied, and the compat floor is not above the
                     release
    nothing-pending  no file of the image is pending. So a file that may only run after this
                     release is out keeps this release from starting
    equal            the database has exactly the newest version of the image. So whatever is
                     migrated for the next release makes this one unfit

The last two are what careful engineers write first, and are here to be seen going wrong; they
ask for nothing else, not even for the floor. Too new is a floor above the release, or any later
version under `equal`: waiting cannot help, because a schema goes forward. 78 says that starting
again will not help either; a database that does not answer is no mistake of the configuration,
so it is the 2 of all commands here that cannot tell.

`migrate` runs all files of the image, whatever the rule says: that it also takes away what the
old release still uses is the risk of a migration at boot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lab.chirps.errors import EXIT_CANNOT_TELL, EXIT_CONFIGURATION


class Act(StrEnum):
    START = "start"
    START_AND_COMPLAIN = "start-and-complain"
    EXIT = "exit"
    RETRY = "retry"
    MIGRATE = "migrate"


class Fit(StrEnum):
    FITS = "fits"
    BEHIND = "behind"
    TOO_NEW = "too-new"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a process brings along: `number` is held against the floor, `required` is the oldest
    schema its code can use, `known` the newest of its files; the rest is for sentences."""

    release: str
    number: int
    required: int
    known: int
    track: str = "base"


@dataclass(frozen=True, slots=True)
class Seen:
    """A database that answered: `version` is the highest that is applied, 0 without any.

    `floor` is None where nothing says one. `pending` are versions that the image has and the
    database lacks, `ahead` those that the database has and the image lacks.
    """

    version: int
    floor: int | None = None
    pending: tuple[int, ...] = ()
    ahead: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Away:
    """A database that did not answer, or would not say."""

    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` names the values and what the operator may do; `exit_code` is that of EXIT, and
    of a wait that was in vain."""

    act: Act
    fit: Fit
    reason: str
    exit_code: int = EXIT_CONFIGURATION

    @property
    def starts(self) -> bool:
        return self.act in (Act.START, Act.START_AND_COMPLAIN)


def decide(gate: str, rule: str, database: Seen | Away, release: Needs) -> Decision:
    """Return what a process with this gate and rule is to do about this database."""
    if isinstance(database, Away):
        act = {"refuse": Act.EXIT, "wait": Act.RETRY, "migrate": Act.RETRY}.get(gate)
        reason = f"the database does not answer: {database.reason}"
        return Decision(act or start(gate), Fit.UNKNOWN, reason, EXIT_CANNOT_TELL)
    fit, reason = judge(rule, database, release)
    if gate in ("off", "warn"):
        return Decision(start(gate, fit), fit, reason)
    if fit is Fit.TOO_NEW:
        return Decision(Act.EXIT, fit, reason)
    if gate == "migrate" and database.pending:
        return Decision(Act.MIGRATE, fit, f"{listed(database.pending)} of this image are pending")
    if fit is Fit.FITS:
        return Decision(Act.START, fit, reason)
    if gate == "migrate":
        reason += f", and no file of this image leads there (its newest is {release.known})"
    return Decision(Act.RETRY if gate == "wait" else Act.EXIT, fit, reason)


def start(gate: str, fit: Fit = Fit.UNKNOWN) -> Act:
    return Act.START if gate == "off" or fit is Fit.FITS else Act.START_AND_COMPLAIN


def judge(rule: str, database: Seen, release: Needs) -> tuple[Fit, str]:
    """Say whether the schema fits by `rule`, and why."""
    by_rule = {"nothing-pending": nothing_pending, "equal": equal}.get(rule, required)
    return by_rule(database, release)


def required(database: Seen, release: Needs) -> tuple[Fit, str]:
    has = f"the database has schema {database.version}"
    if database.floor is not None and database.floor > release.number:
        return Fit.TOO_NEW, (
            f"{has} and its compat floor is {database.floor}: {release.release} is number"
            f" {release.number} and would fail on it; deploy number {database.floor} or later"
        )
    needs = f"{release.release} needs {release.required}"
    if database.version < release.required:
        return Fit.BEHIND, f"{has}, {needs}: {advice(release, release.required)}"
    # Merged late: a later version was applied, and one that the code counts on was passed over.
    missing = tuple(each for each in database.pending if each <= release.required)
    if missing:
        return Fit.BEHIND, f"{has} without {listed(missing)}, {needs}: see `chirps migrate status`"
    return Fit.FITS, f"{has}, {needs}"


def nothing_pending(database: Seen, release: Needs) -> tuple[Fit, str]:
    has = f"the database has schema {database.version}"
    if database.pending:
        return Fit.BEHIND, (
            f"{has}, and {listed(database.pending)} of {release.release}'s image are pending"
            f" (rule nothing-pending): {advice(release, release.known)}, or set"
            f" CHIRPS_GATE_RULE=required, which asks for {release.required} only"
        )
    return Fit.FITS, f"{has}, and nothing of {release.release}'s image is pending"


def equal(database: Seen, release: Needs) -> tuple[Fit, str]:
    has = f"the database has schema {database.version}, {release.release}'s image {release.known}"
    if database.version == release.known:
        return Fit.FITS, has
    looser = f"set CHIRPS_GATE_RULE=required, which asks for {release.required}"
    if database.version > release.known:
        return Fit.TOO_NEW, f"{has} (rule equal): deploy what knows it, or {looser}"
    return Fit.BEHIND, f"{has} (rule equal): {advice(release, release.known)}, or {looser}"


def advice(release: Needs, version: int) -> str:
    """Return the command that gets there."""
    track = "" if release.track == "base" else f" --track {release.track}"
    return f"run `chirps migrate up{track} --to {version}`"


def listed(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions))
