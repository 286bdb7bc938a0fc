"""Which part of the ecosystem runs migrations: every pod at boot?

Four pods serve, and none of them migrates. The next template turns that on, and two new pods
start at once. Each reads that version 6 is missing, and each applies it: ten more to
everybody's quota, twice. goose's version table takes a second row of the same version without
complaint, no statement fails, and no user sees anything. The careful way takes goose's
session lock, and says in the statement itself who has had the ten already.
"""

from lab.faults import RunSql, SetImage
from lab.scenario.baseline import clean_traffic
from lab.scenario.card import Card, Level
from lab.scenario.checks import holds, no_failures, no_session_fails, no_write_is_lost
from lab.scenario.checks_data import exceeds, is_times
from lab.scenario.forecast import nobody
from lab.scenario.forecast_unseen import the_data_is_changed_twice
from lab.scenario.model import Invariant, Load, Role, Scenario, Start, Step, Variant
from lab.scenario.timeline import after, gone, quiet, rolled_out, seconds_after
from lab.scenario.verdict import Outcome

# v1's code under another name: all that is new about these pods is that they migrate.
RELEASE, ROLE = "v1b", "chirps_v1b"

# Whoever migrates at boot needs the rights of a migration, in every pod and for good. That
# is a reason against it of its own.
let_pods_migrate = RunSql(
    "let pods migrate",
    f"GRANT chirps_migrate TO {ROLE}",
    f"REVOKE chirps_migrate FROM {ROLE}",
)

# How many new pods start together. Two are enough for a race, and leave CPU for those who
# measure; the others come later and find nothing to do.
AT_ONCE = 2
two_at_once = Start(profile={"max_surge": AT_ONCE})

# How near to each other they start is chance. This makes it certain: whoever is about to
# change a table waits until as many sessions of migrations are there, and half a second more,
# in which the last of them reads the version. It waits before any lock is taken, so users
# do not notice (https://www.postgresql.org/docs/18/event-trigger-definition.html), and ten
# seconds at most.
start_barrier = RunSql(
    "start barrier",
    f"""
    CREATE OR REPLACE FUNCTION start_barrier() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        FOR try IN 1..100 LOOP
            PERFORM pg_stat_clear_snapshot();
            EXIT WHEN {AT_ONCE} <= (SELECT count(*) FROM pg_stat_activity
                            WHERE starts_with(application_name, 'chirps-migrate/'));
            PERFORM pg_sleep(0.1);
        END LOOP;
        PERFORM pg_sleep(0.5);
    END
    $$;
    CREATE EVENT TRIGGER start_barrier ON ddl_command_start
    WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION start_barrier();
    """,  # noqa: S608 - a number that is written above
    "DROP EVENT TRIGGER IF EXISTS start_barrier; DROP FUNCTION IF EXISTS start_barrier();",
)


def migrate_at_boot(track: str, *, lock: str) -> tuple[Step, ...]:
    """Roll out pods that each apply what is pending before they serve."""
    boot = {"CHIRPS_GATE": "migrate", "CHIRPS_LOCK": lock, "CHIRPS_TRACK": track}
    return (
        Step("grant", after("baseline"), let_pods_migrate),
        Step("barrier", after("grant"), start_barrier),
        Step("roll out", after("barrier"), SetImage(RELEASE, variables=boot)),
        Step("rolled out", rolled_out(RELEASE)),
        Step("old pods gone", gone("v1")),
        # Quick as it is, it would be over before enough users were there to tell.
        Step("a while later", seconds_after("old pods gone", 10)),
    )


recorded_once = Invariant(
    "version 6 is recorded once",
    "SELECT count(*) FROM goose_db_version WHERE version_id = 6 AND is_applied",
    expected=1,
)

# By way of JSON, so that it can be asked where the column was never added, too.
QUOTA = "coalesce((to_jsonb(users) ->> 'quota')::bigint, 0)"

granted_once = Invariant(
    "the largest quota is that of one grant",
    f"SELECT max({QUOTA}) FROM users",  # noqa: S608 - written here
    expected=10,
)

nobody_notices = no_failures(rate_below=0.002)

# What makes it the worst kind: whoever looks at requests sees a rollout without a fault.
done_to_the_data_again_and_again = (
    nobody_notices,
    exceeds(recorded_once),
    exceeds(granted_once),
    is_times(granted_once, 10, recorded_once),
)

careless = Variant(
    name="careless",
    role=Role.CARELESS,
    start=two_at_once,
    timeline=migrate_at_boot("quota-careless", lock="none"),
    invariants=(recorded_once, granted_once),
    checks=done_to_the_data_again_and_again,
    foresee=the_data_is_changed_twice(),
)

careful = Variant(
    name="careful",
    role=Role.CAREFUL,
    start=two_at_once,
    timeline=migrate_at_boot("quota-careful", lock="try"),
    invariants=(recorded_once, granted_once),
    checks=(
        nobody_notices,
        no_session_fails(rate_below=0.05),
        no_write_is_lost(),
        holds(recorded_once),
        holds(granted_once),
    ),
)

nothing_granted = Invariant(
    "nobody has a quota",
    f"SELECT max({QUOTA}) FROM users",  # noqa: S608 - written here
)

# The same pods at the same time, with a migration that does nothing. However often it is
# recorded, nobody's data is touched: a version table alone must not be called damage.
control = Variant(
    name="control",
    role=Role.CARELESS,
    start=two_at_once,
    timeline=migrate_at_boot("quota-control", lock="none"),
    invariants=(recorded_once, granted_once, nothing_granted),
    checks=done_to_the_data_again_and_again,
    because=(holds(nothing_granted),),
    predicted=Outcome.NOT_REPRODUCED,
    foresee=nobody,
)

# The careful way without its lock: the file runs as often as before, and is recorded so.
# That the data is right nevertheless is the other protection's doing, on its own.
careful_without_lock = Variant(
    name="careful-without-lock",
    role=Role.CAREFUL,
    start=two_at_once,
    timeline=migrate_at_boot("quota-careful", lock="none"),
    invariants=(recorded_once, granted_once),
    checks=(nobody_notices, holds(recorded_once)),
    because=(exceeds(recorded_once), holds(granted_once)),
    predicted=Outcome.NOT_PREVENTED,
    foresee=nobody,
)

# The careful way without the statement that counts: the lock is enough, as long as everybody
# who migrates takes it.
careful_by_lock_alone = Variant(
    name="careful-by-lock-alone",
    role=Role.CAREFUL,
    start=two_at_once,
    timeline=migrate_at_boot("quota-careless", lock="try"),
    invariants=(recorded_once, granted_once),
    checks=(nobody_notices, no_write_is_lost(), holds(recorded_once), holds(granted_once)),
    predicted=Outcome.PREVENTED,
    foresee=nobody,
)

scenario = Scenario(
    name="boot-race-double-apply",
    title="Applied twice at boot",
    question="Which part of the ecosystem runs migrations: every pod at boot?",
    careless=careless,
    careful=careful,
    proofs=(control, careful_without_lock, careful_by_lock_alone),
    load=Load(rate=60, seed=1),
    baseline=clean_traffic,
    baseline_s=10,
    settle=quiet(5, within_s=60),
    card=Card(
        level=Level.DATABASE,
        rehearsal="start two runners at the same time, and count the rows of one version",
        together=(
            "the start of a pod, and a change of the schema",
            "what the statement does, and how often it happens to be run",
        ),
        owed=(
            "one runner, before the pods that need it; where it has to be every pod, a lock that"
            " each of them takes",
            "a statement that knows what it has done, and a unique index on the version",
            "an alarm on a version that is recorded twice: no request fails, and no pod restarts",
        ),
        decides="whoever owns the data: the repair goes forward, and is worked out on a copy",
        # The pods go back. What they have given to everybody stays.
        no_way_back=("roll out",),
    ),
)
