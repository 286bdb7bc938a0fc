"""What if part of a rolling update already did the migration?

Release v1 keeps the text of a chirp in a column `body`. The next release wants to call
it `content`. The careless way renames the column and rolls the new code out: two
commands, both succeed. But while the rollout runs, v1 and the new code share one
database, and v1 still asks for `body`. The careful way adds a second column first,
rolls out code that writes both, and copies the old rows when the last v1 is gone.
"""

from lab.faults import Migrate, SetImage
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
from lab.scenario.checks_silence import silent_after
from lab.scenario.forecast import nobody
from lab.scenario.forecast_rollout import old_pods_fail
from lab.scenario.model import CHIRP_ENDPOINTS, Invariant, Load, Role, Scenario, Step, Variant
from lab.scenario.moments import committed, last_endpoint_gone, last_ready_endpoint_gone
from lab.scenario.signature import Signature
from lab.scenario.timeline import after, gone, quiet, rolled_out, seconds_after
from lab.scenario.verdict import Outcome

# PostgreSQL's code for "column does not exist":
# https://www.postgresql.org/docs/18/errcodes-appendix.html
UNDEFINED_COLUMN = "42703"

old_code_misses_its_column = Signature("v1", UNDEFINED_COLUMN, CHIRP_ENDPOINTS)
new_code_misses_its_column = Signature("v2", UNDEFINED_COLUMN, CHIRP_ENDPOINTS)


def rename_then_roll_out(track: str, release: str) -> tuple[Step, ...]:
    """Migrate, wait for a moment as a deploy script does, roll out."""
    return (
        Step("migrate", after("baseline"), Migrate(track, to=6, release=release)),
        Step("roll out", seconds_after("migrate", 2), SetImage(release)),
        Step("rolled out", rolled_out(release)),
        Step("old pods gone", gone("v1")),
    )


# From the commit on, a request fails if it meets v1. How many do depends on how long the
# rollout takes, so the number is computed from the rollout that was observed.
the_old_code_fails_until_it_is_gone = (
    mostly(old_code_misses_its_column, at_least=0.95),
    fails_soon_after(committed(6), within_s=1),
    as_many_as_predicted(old_code_misses_its_column, since=committed(6), stream="fresh"),
    as_many_as_predicted(old_code_misses_its_column, since=committed(6), stream="keepalive"),
    silent_after(fresh=last_ready_endpoint_gone("v1"), keepalive=last_endpoint_gone("v1")),
)

careless = Variant(
    name="careless",
    role=Role.CARELESS,
    timeline=rename_then_roll_out("rename-careless", "v2-naive"),
    checks=the_old_code_fails_until_it_is_gone,
    cause_gone=last_endpoint_gone("v1"),
    foresee=old_pods_fail(CHIRP_ENDPOINTS, pause_s=2),
)

every_chirp_has_content = Invariant(
    "every chirp has a content",
    "SELECT count(*) FROM chirps WHERE content IS NULL",
    expected=0,
)

nobody_notices = no_failures(rate_below=0.002)

careful = Variant(
    name="careful",
    role=Role.CAREFUL,
    timeline=(
        Step("expand", after("baseline"), Migrate("rename-careful", to=6, release="v2")),
        Step("roll out", seconds_after("expand", 2), SetImage("v2")),
        Step("rolled out", rolled_out("v2")),
        # A pod that terminates may still write a chirp without content.
        Step("old pods gone", gone("v1")),
        Step(
            "backfill",
            after("old pods gone"),
            Migrate("rename-careful", to=7, release="v2"),
            observed_within_s=120,
        ),
    ),
    invariants=(every_chirp_has_content,),
    checks=(
        nobody_notices,
        no_session_fails(rate_below=0.05),
        no_write_is_lost(),
        holds(every_chirp_has_content),
        readable_through("v2", since=committed(6), until=last_endpoint_gone("v1")),
    ),
)

# The same commands, but the migration does nothing and the new release is v1's code under
# another name. If this were judged "reproduced", it would not be the rename that was seen.
# And nobody may notice: a control in which something else fails would show nothing either.
control = Variant(
    name="control",
    role=Role.CARELESS,
    timeline=rename_then_roll_out("rename-control", "v1b"),
    checks=the_old_code_fails_until_it_is_gone,
    because=(nobody_notices,),
    predicted=Outcome.NOT_REPRODUCED,
    foresee=nobody,
)

# The careful way without its first step must go red, and for this reason: now it is the
# new code that asks for a column that is not there.
careful_without_expand = Variant(
    name="careful-without-expand",
    role=Role.CAREFUL,
    timeline=(
        Step("roll out", after("baseline"), SetImage("v2")),
        Step("rolled out", rolled_out("v2")),
        Step("old pods gone", gone("v1")),
    ),
    checks=(nobody_notices,),
    because=(mostly(new_code_misses_its_column, at_least=0.95),),
    predicted=Outcome.NOT_PREVENTED,
)

scenario = Scenario(
    name="half-migrated-rename",
    title="Half-migrated rename",
    question="What if part of a rolling update already did the migration?",
    careless=careless,
    careful=careful,
    proofs=(control, careful_without_expand),
    load=Load(rate=60, seed=1),
    baseline=clean_traffic,
    baseline_s=10,
    settle=quiet(5, within_s=60),
    card=Card(
        level=Level.DATABASE,
        rehearsal="run the tests of `v1` on the schema of `v2`, with the rename applied",
        together=(
            "the name of the column, and all code that says it",
            "old pods and new pods, which share one table as long as the rollout takes",
        ),
        owed=(
            "expand, switch and contract as three deploys, each of which leaves the release"
            " before it working",
            "errors counted by release and SQLSTATE: all pods are Ready, so nothing else tells",
            "a line beside the deploy that says that to go on is right, and to undo is not",
        ),
        decides="whoever deploys: to let the rollout end is safe, to undo or pause it is not",
        # An undo brings back code that asks for the old name.
        careless_no_way_back=("roll out",),
    ),
)
