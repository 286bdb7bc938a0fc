"""What does an empty test database hide?

The next release writes a language with each chirp, into a column that is not there yet. The
first way to add it works in the pipeline, whose tables are empty, and fails on a table with
rows. The careless way works on both: a framework adds the column with a default, which fills
the old rows, and takes the default away again. From then on whoever does not know the column
cannot insert, and during the rollout that is every pod of v1. Its reads are fine. The careful
way leaves the default in the database, and demands a value of every row when v1 is gone.
"""

from lab.faults import Migrate, RunSql, SetImage
from lab.scenario.baseline import clean_traffic
from lab.scenario.card import Card, Level
from lab.scenario.checks import (
    as_many_as_predicted,
    fails_soon_after,
    holds,
    mostly,
    no_failures,
    no_session_fails,
    no_write_is_lost,
    readable_through,
)
from lab.scenario.checks_jobs import job_fails, job_succeeds, schema_stays_at
from lab.scenario.checks_scope import unharmed
from lab.scenario.checks_silence import silent_after
from lab.scenario.forecast import nobody
from lab.scenario.forecast_rollout import old_pods_fail
from lab.scenario.model import Invariant, Load, Role, Scenario, Step, Variant
from lab.scenario.moments import committed, last_endpoint_gone, last_ready_endpoint_gone
from lab.scenario.signature import Signature
from lab.scenario.timeline import after, gone, quiet, rolled_out, seconds_after
from lab.scenario.verdict import Outcome

# PostgreSQL's code for "null value in a column that must not be null":
# https://www.postgresql.org/docs/18/errcodes-appendix.html
NOT_NULL_VIOLATION = "23502"
READS = ("list_chirps", "get_chirp")

old_code_leaves_the_column_out = Signature("v1", NOT_NULL_VIOLATION, ("create_chirp",))
old_code_cannot_insert = old_pods_fail(("create_chirp",), pause_s=2)


def add_then_roll_out(track: str, release: str) -> tuple[Step, ...]:
    """Migrate, wait for a moment as a deploy script does, roll out."""
    return (
        Step("migrate", after("baseline"), Migrate(track, to=6, release=release)),
        Step("roll out", seconds_after("migrate", 2), SetImage(release)),
        Step("rolled out", rolled_out(release)),
        # A pod that terminates may still write a chirp without a language.
        Step("old pods gone", gone("v1")),
        Step("look", seconds_after("old pods gone", 5)),
    )


# One request in five creates a chirp. Those fail that meet v1, and all others are well.
the_old_code_cannot_insert = (
    mostly(old_code_leaves_the_column_out, at_least=0.95),
    unharmed(READS, rate_below=0.01),
    fails_soon_after(committed(6), within_s=1),
    as_many_as_predicted(old_code_leaves_the_column_out, since=committed(6), stream="fresh"),
    as_many_as_predicted(old_code_leaves_the_column_out, since=committed(6), stream="keepalive"),
    silent_after(fresh=last_ready_endpoint_gone("v1"), keepalive=last_endpoint_gone("v1")),
)

careless = Variant(
    name="careless",
    role=Role.CARELESS,
    timeline=add_then_roll_out("notnull-dropped", "v2-lang"),
    checks=the_old_code_cannot_insert,
    cause_gone=last_endpoint_gone("v1"),
    foresee=old_code_cannot_insert,
)

every_chirp_has_a_language = Invariant(
    "every chirp has a language",
    "SELECT count(*) FROM chirps WHERE lang IS NULL",
    expected=0,
)

nobody_notices = no_failures(rate_below=0.002)

nobody_notices_and_nothing_is_lost = (
    nobody_notices,
    no_session_fails(rate_below=0.05),
    no_write_is_lost(),
    holds(every_chirp_has_a_language),
    readable_through("v2-lang", since=committed(6), until=last_endpoint_gone("v1")),
)

careful = Variant(
    name="careful",
    role=Role.CAREFUL,
    timeline=(
        *add_then_roll_out("notnull-careful", "v2-lang"),
        # A check for new rows, then the old rows without a strong lock, then NOT NULL.
        Step(
            "demand a value",
            after("look"),
            Migrate("notnull-careful", to=9, release="v2-lang"),
            observed_within_s=120,
        ),
    ),
    invariants=(every_chirp_has_a_language,),
    checks=nobody_notices_and_nothing_is_lost,
)

# The same commands, but the migration does nothing and the new release is v1's code under
# another name; and nobody may notice.
control = Variant(
    name="control",
    role=Role.CARELESS,
    timeline=add_then_roll_out("notnull-control", "v1b"),
    checks=the_old_code_cannot_insert,
    because=(nobody_notices,),
    predicted=Outcome.NOT_REPRODUCED,
    foresee=nobody,
)

# The careful way, but the default goes as soon as it has filled the old rows.
careful_without_default = Variant(
    name="careful-without-default",
    role=Role.CAREFUL,
    timeline=add_then_roll_out("notnull-dropped", "v2-lang"),
    invariants=(every_chirp_has_a_language,),
    checks=nobody_notices_and_nothing_is_lost,
    because=(mostly(old_code_leaves_the_column_out, at_least=0.95),),
    predicted=Outcome.NOT_PREVENTED,
    foresee=old_code_cannot_insert,
)

# What a pipeline sees: the same files beside the real tables, in a schema with empty ones.
# Where a role looks for tables is set for this database only, and goes with it at a reset.
LOOK_AT = "ALTER ROLE chirps_migrate IN DATABASE chirps"
an_empty_test_database = RunSql(
    "begin with empty tables",
    f"CREATE SCHEMA pipeline AUTHORIZATION chirps_migrate; {LOOK_AT} SET search_path = pipeline",
    undo_sql=f"{LOOK_AT} RESET search_path; DROP SCHEMA IF EXISTS pipeline CASCADE",
)
the_real_one = RunSql("turn to the real tables", f"{LOOK_AT} RESET search_path")
in_the_pipeline = Migrate("notnull-naive", to=None, release="v2-lang")
in_production = Migrate("notnull-naive", to=6, release="v2-lang", may_fail=True)

# Without any default there is nothing to put into the rows that are there. This one harms
# nobody: the migration fails as a whole, and the deploy stops before the rollout.
naive = Variant(
    name="naive",
    role=Role.CARELESS,
    timeline=(
        Step("empty tables", after("baseline"), an_empty_test_database),
        Step("test", after("empty tables"), in_the_pipeline),
        Step("real tables", after("test"), the_real_one),
        Step("deploy", after("real tables"), in_production),
        Step("look", seconds_after("deploy", 16)),
    ),
    checks=(
        job_succeeds(in_the_pipeline.job),
        job_fails(in_production.job),
        schema_stays_at(5),
        nobody_notices,
    ),
    predicted=Outcome.REPRODUCED,
    foresee=nobody,
)

scenario = Scenario(
    name="not-null-default-dropped",
    title="A default that was dropped",
    question="What does an empty test database hide?",
    careless=careless,
    careful=careful,
    proofs=(control, careful_without_default, naive),
    load=Load(rate=60, seed=1),
    baseline=clean_traffic,
    baseline_s=10,
    settle=quiet(5, within_s=60),
    card=Card(
        level=Level.DATABASE,
        rehearsal="insert as `v1` does after the migration, on a table with rows",
        together=(
            "the column, and each program that inserts into the table",
            "the default, and the last release that needs it",
        ),
        owed=(
            "a default that stays in the database, and NOT NULL as a step of its own when"
            " `v1` is gone",
            "a pipeline whose tables have rows, and in which the release before still inserts",
            "errors by release, method and SQLSTATE: reads are well, and hide it in any average",
        ),
        decides=(
            "whoever owns the table: to set the default again ends it at once, to undo"
            " the rollout makes it worse"
        ),
        # An undo brings back code that cannot insert.
        careless_no_way_back=("roll out",),
    ),
)
