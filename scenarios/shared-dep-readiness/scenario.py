"""What should readiness look like: does the database belong in it?

The database goes away for a while, for all pods alike. The careless readiness probe asks it,
so every pod fails the same probe at the same time and leaves the Service, and with them goes
the page that needs no database. The careful one reports the database and stays: what needs it
is refused at once by a pod that says why, everything else goes on.

The other half is shallow-ready-bad-config: a readiness probe that asks nothing is no answer.
"""

from lab.faults import SetImage, StartDatabase, StopDatabase
from lab.scenario import outage
from lab.scenario.baseline import clean_traffic
from lab.scenario.card import Card, Level
from lab.scenario.checks import no_failures, no_write_is_lost
from lab.scenario.checks_outage import (
    all_endpoints_stay,
    answered_soon,
    every_pod_leaves,
    recovers,
    turned_away,
)
from lab.scenario.checks_scope import unharmed
from lab.scenario.checks_size import as_many_as_come
from lab.scenario.forecast import nobody
from lab.scenario.forecast_outage import the_database_takes_all, the_database_takes_its_own
from lab.scenario.model import (
    CHIRP_ENDPOINTS,
    Check,
    Load,
    Role,
    Scenario,
    Start,
    Step,
    Variant,
)
from lab.scenario.spells import (
    database_away,
    database_away_and_nobody_back,
    no_endpoint_ready,
)
from lab.scenario.timeline import after, gone, quiet, rolled_out, seconds_after
from lab.scenario.verdict import Outcome

NEEDS_NO_DATABASE = "page"
NEEDS_DATABASE = (*CHIRP_ENDPOINTS, "create_user", "create_session")
RECOVERS_WITHIN_S = 3.0
AWAY_S = 20

# Set here, so that the same probe is asked everywhere and a prediction can be made of it.
probed = {"readiness_probe": {"period_seconds": 2, "timeout_seconds": 1, "failure_threshold": 3}}
asks_the_database = Start(variables={"CHIRPS_READINESS": "deep"}, profile=probed)
reports_the_database = Start(variables={"CHIRPS_READINESS": "latch"}, profile=probed)

# What was asked before is answered by then, so that it does not fail with what comes.
once_all_is_answered = seconds_after("baseline", 3)

# Twice as long as the news needs to take every pod out, so that half of it is left to look at.
the_database_is_away_for_a_while = (
    Step("database away", once_all_is_answered, StopDatabase()),
    Step("it lasts", seconds_after("database away", AWAY_S)),
    Step("database back", after("it lasts"), StartDatabase()),
    # Recovery is bounded, and whoever looks away before that bound has seen nothing of it.
    Step("watch", seconds_after("database back", RECOVERS_WITHIN_S + 3)),
)

everybody_fails = the_database_takes_all(NEEDS_DATABASE, away_s=AWAY_S)
who_needs_it_fails = the_database_takes_its_own(NEEDS_DATABASE, away_s=AWAY_S)

one_broken_thing_becomes_everything = (
    every_pod_leaves(),
    turned_away(NEEDS_NO_DATABASE),
    as_many_as_come(
        NEEDS_DATABASE,
        of="what needs the database",
        stream="fresh",
        during=database_away_and_nobody_back(),
        late_s=RECOVERS_WITHIN_S,
    ),
    as_many_as_come(
        (NEEDS_NO_DATABASE,),
        of="what needs none",
        stream="fresh",
        during=no_endpoint_ready(),
        late_s=RECOVERS_WITHIN_S,
    ),
)

careless = Variant(
    name="careless",
    role=Role.CARELESS,
    start=asks_the_database,
    timeline=the_database_is_away_for_a_while,
    checks=one_broken_thing_becomes_everything,
    cause_gone=outage.back(),
    foresee=everybody_fails,
)


def as_many_as_while_it_is_away(stream: str) -> Check:
    return as_many_as_come(
        NEEDS_DATABASE,
        of="what waits for the database",
        stream=stream,
        during=database_away(),
        late_s=RECOVERS_WITHIN_S,
    )


only_what_needs_it_fails = (
    unharmed((NEEDS_NO_DATABASE,), rate_below=0.02),
    answered_soon(NEEDS_DATABASE, p99_s=0.5),
    as_many_as_while_it_is_away("fresh"),
    as_many_as_while_it_is_away("keepalive"),
    all_endpoints_stay(),
    recovers(within_s=RECOVERS_WITHIN_S),
    no_write_is_lost(),
)


careful = Variant(
    name="careful",
    role=Role.CAREFUL,
    start=reports_the_database,
    timeline=the_database_is_away_for_a_while,
    checks=only_what_needs_it_fails,
    cause_gone=outage.back(),
    foresee=who_needs_it_fails,
)

# As long, with the careless probe, and the database stays. If this were judged "reproduced",
# it would not be the outage that was seen.
control = Variant(
    name="control",
    role=Role.CARELESS,
    start=asks_the_database,
    timeline=(
        Step("nothing happens", once_all_is_answered, StartDatabase()),
        Step("it lasts", seconds_after("nothing happens", AWAY_S)),
    ),
    checks=one_broken_thing_becomes_everything,
    because=(no_failures(rate_below=0.005),),
    predicted=Outcome.NOT_REPRODUCED,
    foresee=nobody,
)

# All that is careful about it is the probe.
careful_with_the_database_in_readiness = Variant(
    name="careful-with-the-database-in-readiness",
    role=Role.CAREFUL,
    start=asks_the_database,
    timeline=the_database_is_away_for_a_while,
    checks=only_what_needs_it_fails,
    because=one_broken_thing_becomes_everything,
    predicted=Outcome.NOT_PREVENTED,
    foresee=everybody_fails,
)

# A deploy that begins meanwhile: its first pod has never reached the database, so it waits, and
# the old ones stay. It goes on when the database is back.
careful_with_a_rollout_meanwhile = Variant(
    name="careful-with-a-rollout-meanwhile",
    role=Role.CAREFUL,
    start=reports_the_database,
    timeline=(
        Step("database away", once_all_is_answered, StopDatabase()),
        Step("roll out", seconds_after("database away", 4), SetImage("v1b")),
        Step("it lasts", seconds_after("database away", AWAY_S)),
        Step("database back", after("it lasts"), StartDatabase()),
        Step("rolled out", rolled_out("v1b")),
        Step("old pods gone", gone("v1")),
    ),
    checks=only_what_needs_it_fails,
    cause_gone=outage.back(),
    predicted=Outcome.PREVENTED,
    foresee=who_needs_it_fails,
)

scenario = Scenario(
    name="shared-dep-readiness",
    title="A shared dependency in readiness",
    question="What should readiness look like: does the database belong in it?",
    careless=careless,
    careful=careful,
    proofs=(
        control,
        careful_with_the_database_in_readiness,
        careful_with_a_rollout_meanwhile,
    ),
    load=Load(rate=60, seed=17),
    baseline=clean_traffic,
    baseline_s=10,
    settle=quiet(5, within_s=60),
    card=Card(
        level=Level.TWIN,
        rehearsal="stop the database under two processes and ask `/page` and `/readyz`",
        together=("what the probe asks", "what the page needs"),
        owed=(
            "`/readyz` that names what is degraded, in its body, with 200",
            "an answer 503 with a reason and Retry-After, at once, from every handler",
            "an alarm on failures by endpoint: no pod will call anybody",
        ),
        decides="whoever runs the database; the service can only wait, and say so",
    ),
)
