"""Why does a migration of milliseconds stop the site?

Somebody evaluates the table of chirps: a long SELECT, which disturbs nobody. The migration
adds a column, a matter of milliseconds, but for that it needs the table for itself, so it waits
for the SELECT. And everybody who comes later waits behind the migration, although the SELECT
alone would have let them through. Soon all connections of all pods wait, and then whatever else
needs the database gets no answer either. The careful way asks for the lock for a second at
most, gives up its place in the queue, and comes again a moment later.
"""

from lab.faults import HoldSession, Migrate
from lab.scenario.baseline import clean_traffic
from lab.scenario.card import Card, Level
from lab.scenario.checks import no_failures, no_session_fails, no_write_is_lost
from lab.scenario.checks_order import follows
from lab.scenario.checks_queue import (
    Wait,
    as_many_as_the_stall_makes,
    is_at_the_head,
    only_timeouts,
    stalls,
    stalls_at_most,
)
from lab.scenario.checks_scope import unharmed
from lab.scenario.effects import session_gone
from lab.scenario.forecast import nobody
from lab.scenario.forecast_outage import held_up, stand_still
from lab.scenario.model import CHIRP_ENDPOINTS, Load, Role, Scenario, Start, Step, Variant
from lab.scenario.moments import committed
from lab.scenario.timeline import after, quiet, seconds_after
from lab.scenario.verdict import Outcome

USER_ENDPOINTS = ("create_user", "create_session")
DATABASE_ENDPOINTS = (*CHIRP_ENDPOINTS, *USER_ENDPOINTS)

# How long who waits for a connection of the pool does so. Longer than any client waits is what
# libraries come with; two seconds is less.
PATIENT_POOL = Start(profile={"pool_timeout_seconds": 30})
LOCK_TIMEOUT_S = 1
# `chirps migrate up` waits at random, up to this long, from one try to the next.
LONGEST_PAUSE_S = 10

SELECT_S, LEAD_S = 20, 2
# Nothing else takes long, and that no visit of one in twenty fails takes half a minute to tell.
LOOK_S = 8
evaluation = HoldSession("evaluation", "SELECT count(*) FROM chirps", seconds=SELECT_S)
evaluation_ends = session_gone(evaluation.application)


def migrate_during_the_evaluation(migration: Migrate) -> tuple[Step, ...]:
    """The SELECT begins, two seconds later the migration."""
    return (
        Step("evaluate", after("baseline"), evaluation),
        Step("migrate", seconds_after("evaluate", LEAD_S), migration, observed_within_s=120),
        # In the control the migration does not wait, and is over long before.
        Step("evaluated", seconds_after("evaluate", SELECT_S + LEAD_S)),
        Step("look on", seconds_after("evaluated", LOOK_S)),
    )


# The site stands still from when the lock was asked for until the SELECT has ended, and it is
# the SELECT that everybody waits for. Users are not locked, but need the same connections.
the_wait = Wait(evaluation.application, until=evaluation_ends)
the_site_stands_still = (
    stalls(CHIRP_ENDPOINTS, the_wait),
    stalls(USER_ENDPOINTS, the_wait),
    as_many_as_the_stall_makes(CHIRP_ENDPOINTS),
    as_many_as_the_stall_makes(USER_ENDPOINTS),
    is_at_the_head(evaluation.application),
    only_timeouts(DATABASE_ENDPOINTS, at_least=0.95),
    unharmed(("page",), rate_below=0.05),
    follows(committed(6), evaluation_ends, at_most_s=1),
)

careless = Variant(
    name="careless",
    role=Role.CARELESS,
    start=PATIENT_POOL,
    timeline=migrate_during_the_evaluation(Migrate("lock-queue-careless", to=6, release="v1")),
    checks=the_site_stands_still,
    cause_gone=evaluation_ends,
    foresee=stand_still(DATABASE_ENDPOINTS, session_s=SELECT_S, lead_s=LEAD_S),
)

nobody_notices = no_failures(rate_below=0.002)
nobody_is_held_up = (
    stalls_at_most(DATABASE_ENDPOINTS, lock_timeout_s=LOCK_TIMEOUT_S, slack_s=0.5),
    nobody_notices,
    no_session_fails(rate_below=0.05),
    no_write_is_lost(),
)

careful = Variant(
    name="careful",
    role=Role.CAREFUL,
    timeline=migrate_during_the_evaluation(
        Migrate(
            "lock-queue-careful",
            to=6,
            release="v1",
            options=("--lock-timeout", str(LOCK_TIMEOUT_S), "--retries", "30"),
        )
    ),
    checks=(
        *nobody_is_held_up,
        # Without a queue it would have been no test: the SELECT was met, and outwaited.
        is_at_the_head(evaluation.application),
        follows(committed(6), evaluation_ends, at_most_s=LONGEST_PAUSE_S + LOCK_TIMEOUT_S + 1),
    ),
    foresee=held_up(lock_s=LOCK_TIMEOUT_S),
)

# The same session, and a migration that needs no lock on the table: nobody may notice.
control = Variant(
    name="control",
    role=Role.CARELESS,
    start=PATIENT_POOL,
    timeline=migrate_during_the_evaluation(Migrate("lock-queue-control", to=6, release="v1")),
    checks=the_site_stands_still,
    because=(nobody_notices,),
    predicted=Outcome.NOT_REPRODUCED,
    foresee=nobody,
)

# The careful way without its limit. A pool that gives up after two seconds does not save it.
careful_without_lock_timeout = Variant(
    name="careful-without-lock-timeout",
    role=Role.CAREFUL,
    timeline=migrate_during_the_evaluation(
        Migrate("lock-queue-careful", to=6, release="v1", options=("--lock-timeout", "0"))
    ),
    checks=nobody_is_held_up,
    because=(
        stalls(CHIRP_ENDPOINTS, the_wait),
        is_at_the_head(evaluation.application),
        only_timeouts(DATABASE_ENDPOINTS, at_least=0.95),
    ),
    predicted=Outcome.NOT_PREVENTED,
)

scenario = Scenario(
    name="lock-queue",
    title="Lock queue",
    question="Why does a migration of milliseconds stop the site?",
    careless=careless,
    careful=careful,
    proofs=(control, careful_without_lock_timeout),
    load=Load(rate=60, seed=1),
    baseline=clean_traffic,
    baseline_s=10,
    settle=quiet(5, within_s=60),
    card=Card(
        level=Level.DATABASE,
        rehearsal="run the migration on a seeded copy while a long SELECT reads the table",
        together=(
            "the migration, and every session that reads the table just then",
            "one pool of connections for all endpoints, whichever table they need",
        ),
        owed=(
            "one lock in a file, asked for with `--lock-timeout`, and tried again after a pause",
            "`plan`, which names the lock before somebody presses enter",
            "`why-not`, which names who stands at the head of the queue, and what may be cancelled",
        ),
        decides=(
            "whoever deploys may cancel the migration, which loses nothing; the session in front"
            " is for its owner to end"
        ),
    ),
)
