"""Should a binary refuse a schema newer than it knows?

The pipeline migrates first and rolls out after that, as it should, and the migration is
harmless: it adds a column. v2 then never becomes ready, for a reason of its own, and is taken
back. But each pod takes itself out of traffic unless the schema is exactly the one it was
built with. So all pods that served are gone from the Service a moment after the migration's
commit, before anything was rolled out, and an undo brings back more of the same.
"""

from collections.abc import Mapping

from lab.faults import Migrate, SetImage, Undo
from lab.scenario.baseline import clean_traffic
from lab.scenario.card import Card, Level
from lab.scenario.checks import no_failures, no_session_fails, no_write_is_lost
from lab.scenario.checks_progress import overdue
from lab.scenario.checks_reach import (
    falls_to_none,
    never_fewer_ready_than_allowed,
    nobody_answers,
    stays_at_none,
)
from lab.scenario.checks_size import as_many_as_come
from lab.scenario.forecast import nobody
from lab.scenario.forecast_outage import all_are_taken_out
from lab.scenario.model import ALL_ENDPOINTS, Load, Role, Scenario, Start, Step, Variant
from lab.scenario.moments import committed, injected
from lab.scenario.spells import no_endpoint_ready
from lab.scenario.timeline import after, gone, quiet, rolled_out, seconds_after
from lab.scenario.verdict import Outcome

# "Is this the schema I was built with?": the newest version of the image, no other.
EQUAL = {"CHIRPS_GATE": "refuse", "CHIRPS_GATE_RULE": "equal"}
# "Can I work here?": what the code needs is there, and the floor that the author of a
# migration writes into the database is not above the release.
REQUIRED = {"CHIRPS_GATE": "refuse", "CHIRPS_GATE_RULE": "required"}
# Asks as strictly, and only says so in its log.
EQUAL_BUT_SAID = {"CHIRPS_GATE": "warn", "CHIRPS_GATE_RULE": "equal"}

# Until each node has heard of endpoints that are gone, or back.
NODES_HEAR_S = 2.0

TRACK = "rename-expand"
migration = Migrate(TRACK, to=6, release="v2")
undo = Undo("v1")


def broken(check: Mapping[str, str]) -> SetImage:
    """v2 with a mistake that has nothing to do with the schema."""
    new = {**check, "CHIRPS_TRACK": TRACK, "CHIRPS_DEFECT": "never-ready"}
    return SetImage("v2", variables=new, previous_variables=check)


def repaired(check: Mapping[str, str]) -> SetImage:
    new = {**check, "CHIRPS_TRACK": TRACK}
    return SetImage("v2", variables=new, previous_variables=check, attempt=2)


def migrate_then_roll_out_and_back(check: Mapping[str, str]) -> tuple[Step, ...]:
    """Migrate; a while later roll out; take it back when the deploy is reported to have failed."""
    return (
        Step("migrate", after("baseline"), migration),
        Step("roll out", seconds_after("migrate", 10), broken(check)),
        Step("undo", overdue(), undo),
        Step("undone", seconds_after("undo", 6)),
    )


# The way out that needs no build: the same old code that asks less.
def asking_less(check: Mapping[str, str]) -> SetImage:
    return SetImage("v1", previous="v1", variables=REQUIRED, previous_variables=check)


ask_less = asking_less(EQUAL)


def then_ask_less(check: Mapping[str, str]) -> tuple[Step, ...]:
    return (
        *migrate_then_roll_out_and_back(check),
        Step("ask less", after("undone"), asking_less(check)),
        Step("serving", rolled_out("v1")),
    )


def then_deploy_again(check: Mapping[str, str]) -> tuple[Step, ...]:
    return (
        *migrate_then_roll_out_and_back(check),
        Step("deploy again", after("undone"), repaired(check)),
        Step("rolled out", rolled_out("v2")),
        Step("old pods gone", gone("v1")),
    )


# One look of the gate (1 s), one round of checks (2 s), and three readiness probes that fail
# (2 s apart), and a second for the news to travel.
it_begins_with_the_commit = falls_to_none(committed(6), within_s=10)

# Whatever is asked for: the page that needs no database is gone as well. Connections that
# exist stay with their pods, which would have gone on serving everybody.
nobody_is_served_and_undo_changes_nothing = (
    it_begins_with_the_commit,
    nobody_answers(injected(broken(EQUAL)), injected(ask_less)),
    as_many_as_come(
        ALL_ENDPOINTS,
        of="everything",
        stream="fresh",
        during=no_endpoint_ready(),
        late_s=NODES_HEAR_S,
    ),
    stays_at_none(injected(undo), injected(ask_less)),
)

careless = Variant(
    name="careless",
    role=Role.CARELESS,
    start=Start(variables=EQUAL),
    timeline=then_ask_less(EQUAL),
    checks=nobody_is_served_and_undo_changes_nothing,
    cause_gone=injected(ask_less),
    foresee=all_are_taken_out(later_s=10, look_s=6),
)

nobody_notices = no_failures(rate_below=0.002)

careful = Variant(
    name="careful",
    role=Role.CAREFUL,
    start=Start(variables=REQUIRED),
    timeline=then_deploy_again(REQUIRED),
    checks=(
        nobody_notices,
        no_session_fails(rate_below=0.05),
        no_write_is_lost(),
        never_fewer_ready_than_allowed(),
    ),
)

# The same commands, and a check as strict as the careless one's that acts on nothing.
control = Variant(
    name="control",
    role=Role.CARELESS,
    start=Start(variables=EQUAL_BUT_SAID),
    timeline=then_ask_less(EQUAL_BUT_SAID),
    checks=nobody_is_served_and_undo_changes_nothing,
    because=(nobody_notices, never_fewer_ready_than_allowed()),
    predicted=Outcome.NOT_REPRODUCED,
    foresee=nobody,
)

# The careful way with the strict question: it goes red, and it does so with the commit.
careful_with_equality = Variant(
    name="careful-with-equality",
    role=Role.CAREFUL,
    start=Start(variables=EQUAL),
    timeline=then_deploy_again(EQUAL),
    checks=(nobody_notices, never_fewer_ready_than_allowed()),
    because=(it_begins_with_the_commit,),
    predicted=Outcome.NOT_PREVENTED,
    foresee=all_are_taken_out(later_s=10, look_s=6),
)

scenario = Scenario(
    name="hook-poisoned-rollback",
    title="The hook that poisoned the rollback",
    question="Should a binary refuse a schema newer than it knows?",
    careless=careless,
    careful=careful,
    proofs=(control, careful_with_equality),
    load=Load(rate=60, seed=1),
    baseline=clean_traffic,
    baseline_s=10,
    settle=quiet(5, within_s=60),
    card=Card(
        level=Level.TWIN,
        rehearsal="start one process of `v1` with the check, migrate to 6, and ask `/readyz`",
        together=(
            "the schema, and every pod that asks whether it is exactly its own",
            "readiness of the old release, and the work of the next one",
        ),
        owed=(
            "one meaning for readiness: can I work here? The floor in the database says it,"
            " written by the author of the migration",
            "a schema that no longer fits reported by pods that serve, and not acted upon",
            "`/readyz` and a log that name both versions, and the variable that asks for less",
        ),
        decides=(
            "whoever owns the service: the old release that asks for less can be rolled out"
            " without a build"
        ),
    ),
)
