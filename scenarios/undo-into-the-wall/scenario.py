"""How do they roll back while they wait for me to get out of bed?

The new release has a defect: it fails one post in five. Half-way the rollout is paused, and
the one who is on call does what is always right: takes it back. The undo succeeds, all pods
are Ready, and now everything fails. For the deploy has also renamed a column, and an undo
brings back the template of the pods, not the schema. Careful is a change of the schema after
which the release before still works, so that whoever is on call can undo without knowing it.
"""

from lab.faults import Migrate, Pause, Resume, RunSql, SetImage, Undo
from lab.scenario.baseline import clean_traffic
from lab.scenario.card import Card, Level
from lab.scenario.checks import (
    as_many_as_predicted,
    fails_soon_after,
    mostly,
    no_write_is_lost,
    readable_through,
)
from lab.scenario.checks_progress import is_never_reported_late
from lab.scenario.checks_reach import never_fewer_ready_than_allowed
from lab.scenario.checks_reading import cannot_be_read
from lab.scenario.checks_scope import ends_soon_after, only
from lab.scenario.checks_share import Span, gets_worse, share_fails
from lab.scenario.checks_silence import silent_after
from lab.scenario.effects import took_effect
from lab.scenario.forecast_rollout import undone, undone_on_a_new_schema
from lab.scenario.model import CHIRP_ENDPOINTS, Check, Load, Role, Scenario, Step, Variant
from lab.scenario.moments import (
    committed,
    injected,
    last_endpoint_gone,
    last_ready_endpoint_gone,
)
from lab.scenario.signature import Signature
from lab.scenario.timeline import after, gone, quiet, rolled_out, seconds_after, serving
from lab.scenario.verdict import Outcome

# PostgreSQL's code for "column does not exist":
# https://www.postgresql.org/docs/18/errcodes-appendix.html
UNDEFINED_COLUMN = "42703"
BUG = 0.2
A_BUG = {"CHIRPS_DEFECT": f"post500:{BUG:g}"}

old_code_misses_its_column = Signature("v1", UNDEFINED_COLUMN, CHIRP_ENDPOINTS)

pause, resume = Pause(), Resume()
undo_in_vain, undo = Undo(to="v1", refused=True), Undo(to="v1")

the_undo_brings_back_what_fails = undone_on_a_new_schema(
    CHIRP_ENDPOINTS, pause_s=2, hold_s=6, look_s=8, bug=BUG
)
the_undo_ends_the_bug = undone(pause_s=2, hold_s=6, bug=BUG)


def its_own_bug(release: str) -> Signature:
    return Signature(release, None, ("create_chirp",))


def deploy_and_undo(migration: Migrate, release: str, *meanwhile: Step) -> tuple[Step, ...]:
    """Migrate, roll out, pause half-way, look at it for a while, and take it back."""
    return (
        Step("migrate", after("baseline"), migration),
        *meanwhile,
        Step("roll out", seconds_after("migrate", 2), SetImage(release, variables=A_BUG)),
        Step("pause", serving(release, pods=2), pause),
        # A rollout that is paused cannot be undone: kubectl says so.
        Step("undo in vain", seconds_after("pause", 6), undo_in_vain),
        Step("resume", after("undo in vain"), resume),
        Step("undo", after("resume"), undo),
        Step("undone", rolled_out("v1")),
        Step("new pods gone", gone(release)),
        Step("look", seconds_after("new pods gone", 8)),
    )


def deploy_undo_and_rename_back(track: str, release: str) -> tuple[Step, ...]:
    """The same, until somebody who knows what has happened renames the column back."""
    return (
        *deploy_and_undo(Migrate(track, to=6, release=release), release),
        Step("rename back", after("look"), Migrate(track, to=7, release=release)),
        Step("look again", seconds_after("rename back", 6)),
    )


def the_undo_makes_it_worse(release: str) -> tuple[Check, ...]:
    """Before it those fail who meet v1, after it everybody does, and nothing tells so."""
    half_way = Span("before the undo", begin=took_effect(pause), end=injected(resume))
    undone = Span("after the undo", begin=last_ready_endpoint_gone(release), end=committed(7))
    missed = old_code_misses_its_column
    renamed, back = committed(6), committed(7)
    return (
        mostly(missed, at_least=0.95),
        fails_soon_after(committed(6), within_s=1),
        share_fails(missed, half_way),
        share_fails(missed, undone),
        gets_worse(missed, half_way, undone),
        as_many_as_predicted(missed, since=renamed, until=back, stream="fresh"),
        as_many_as_predicted(missed, since=renamed, until=back, stream="keepalive"),
        never_fewer_ready_than_allowed(),
        is_never_reported_late(),
        ends_soon_after(committed(7), within_s=2),
    )


def nothing_but_the_bug(release: str) -> tuple[Check, ...]:
    """The new release fails as it does, and after the undo nothing fails and nothing is lost."""
    return (
        only(its_own_bug(release)),
        silent_after(
            fresh=last_ready_endpoint_gone(release), keepalive=last_endpoint_gone(release)
        ),
        no_write_is_lost(),
        readable_through("v1", since=committed(6), until=last_endpoint_gone(release)),
    )


careless = Variant(
    name="careless",
    role=Role.CARELESS,
    timeline=deploy_undo_and_rename_back("rename-back", "v2-naive"),
    checks=the_undo_makes_it_worse("v2-naive"),
    cause_gone=committed(7),
    foresee=the_undo_brings_back_what_fails,
)

# A second column; the new release has the same bug, and writes both.
careful = Variant(
    name="careful",
    role=Role.CAREFUL,
    timeline=deploy_and_undo(Migrate("rename-careful", to=6, release="v2"), "v2"),
    checks=nothing_but_the_bug("v2"),
    cause_gone=last_endpoint_gone("v2"),
    foresee=the_undo_ends_the_bug,
)

# The same commands with a migration that does nothing, and with v1's code as the new release,
# which has the bug: then it is the only thing that fails, and the undo ends it.
control = Variant(
    name="control",
    role=Role.CARELESS,
    timeline=deploy_undo_and_rename_back("rename-back-control", "v1b"),
    checks=the_undo_makes_it_worse("v1b"),
    because=(only(its_own_bug("v1b")),),
    predicted=Outcome.NOT_REPRODUCED,
    foresee=the_undo_ends_the_bug,
)

# What is careful about it is that the old column stays. Without that, the undo is the wall.
careful_with_a_rename = Variant(
    name="careful-with-a-rename",
    role=Role.CAREFUL,
    timeline=deploy_undo_and_rename_back("rename-back", "v2-naive"),
    checks=nothing_but_the_bug("v2-naive"),
    because=(mostly(old_code_misses_its_column, at_least=0.95),),
    predicted=Outcome.NOT_PREVENTED,
    foresee=the_undo_brings_back_what_fails,
)

# And that the new release goes on writing it. Without that nothing fails after the undo, and
# what users wrote meanwhile is out of sight: only a look at the data can tell.
body_may_be_empty = RunSql(
    "let body be empty", "ALTER TABLE chirps ALTER COLUMN body DROP NOT NULL"
)
careful_without_writing_both = Variant(
    name="careful-without-writing-both",
    role=Role.CAREFUL,
    timeline=deploy_and_undo(
        Migrate("rename-careful", to=6, release="v2-naive"),
        "v2-naive",
        Step("relax", after("migrate"), body_may_be_empty),
    ),
    checks=nothing_but_the_bug("v2-naive"),
    because=(
        cannot_be_read("v1", since=committed(6), until=last_endpoint_gone("v2-naive")),
        never_fewer_ready_than_allowed(),
    ),
    predicted=Outcome.NOT_PREVENTED,
    foresee=the_undo_ends_the_bug,
)

scenario = Scenario(
    name="undo-into-the-wall",
    title="Undo into the wall",
    question="How do they roll back while they wait for me to get out of bed?",
    careless=careless,
    careful=careful,
    proofs=(control, careful_with_a_rename, careful_without_writing_both),
    load=Load(rate=60, seed=1),
    baseline=clean_traffic,
    baseline_s=10,
    settle=quiet(5, within_s=60),
    card=Card(
        level=Level.DATABASE,
        rehearsal="run the tests of `v1` on the schema that an undo leaves behind",
        together=(
            "the name of the column, and all code that says it",
            "the way back from any bug of the new release, and the schema that it needs",
        ),
        owed=(
            "a deploy that says before it begins where there is no way back,"
            " by `can-i-rollback v1`",
            "a schema on which the release before works, and finds what the new one has written",
            "errors by release and SQLSTATE beside the undo: it exits 0, and all pods are Ready",
        ),
        decides=(
            "whoever is on call may undo where `can-i-rollback` says yes; to rename back"
            " is for whoever owns the schema"
        ),
        # An undo brings back code that asks for the old name.
        careless_no_way_back=("roll out",),
    ),
)
