"""Should a new binary refuse to start on migrations that were not applied yet?

One `kubectl apply` brings a Job and a Deployment, and nothing puts the one before the other.
The migration takes its time; the new pods are there in seconds and need what it has not made
yet. They can serve all the same (and fail), exit (and be started again ever later), or wait.
"""

from lab.faults import Migrate, Scale, SetImage
from lab.scenario.baseline import clean_traffic
from lab.scenario.card import Card, Level
from lab.scenario.checks import (
    as_many_as_predicted,
    fails_soon_after,
    mostly,
    no_failures,
    no_session_fails,
    no_write_is_lost,
)
from lab.scenario.checks_order import follows
from lab.scenario.checks_pods import never_restarted, restarted, waits_out_the_backoff
from lab.scenario.checks_progress import is_never_reported_late, is_reported_late
from lab.scenario.checks_reach import nobody_answers, nobody_is_served
from lab.scenario.checks_silence import silent_after
from lab.scenario.forecast import nobody
from lab.scenario.forecast_outage import nobody_is_there
from lab.scenario.forecast_rollout import new_pods_fail
from lab.scenario.history import History
from lab.scenario.model import CHIRP_ENDPOINTS, Check, Load, Role, Scenario, Start, Step, Variant
from lab.scenario.moments import committed, first_ready_endpoint, injected
from lab.scenario.signature import Signature
from lab.scenario.timeline import after, gone, quiet, rolled_out, seconds_after
from lab.scenario.verdict import Outcome

# PostgreSQL's code for "column does not exist":
# https://www.postgresql.org/docs/18/errcodes-appendix.html
UNDEFINED_COLUMN = "42703"

REPLICAS = 4

# Its first statement takes 40 s and holds no lock: what is waited for is a version.
TRACK, STATEMENT_S = "unordered", 40

# Nothing says which comes first, and here the Job's pod is the later one. So it ends in the
# middle of a back-off also where a program takes some seconds to start: whoever exits is
# tried about 34 and 75 s after the apply, and the Job is done after 47.
LATER_S = 6
a_little_later = seconds_after("baseline", LATER_S)

# Where v2 serves as soon as the column is there, nothing else takes longer than a request may be
# in flight, and what comes after that is what "no failure any more" is judged from.
LOOK_S = 8

nothing_there = Start(profile={"replicas": 0})

# A deadline that is shorter than the migration reports a failure where there is none.
patient = Start(profile={"progress_deadline_seconds": 120})
patient_and_nothing_there = Start(profile={"replicas": 0, "progress_deadline_seconds": 120})


def migration(release: str) -> Migrate:
    return Migrate(TRACK, to=6, release=release)


def rollout(release: str, gate: str, **more: str) -> SetImage:
    return SetImage(release, variables={"CHIRPS_GATE": gate, "CHIRPS_TRACK": TRACK, **more})


def apply_all(release: str, rollout: SetImage) -> tuple[Step, ...]:
    """Apply Deployment and Job, where v1 serves."""
    return (
        Step("roll out", after("baseline"), rollout),
        Step("migrate", a_little_later, migration(release), observed_within_s=120),
        Step("migrated", after("migrate")),
        Step("rolled out", rolled_out(release)),
        Step("old pods gone", gone("v1")),
        Step("look on", seconds_after("old pods gone", LOOK_S)),
    )


install = Scale(REPLICAS, previous=0)


def install_all(rollout: SetImage) -> tuple[Step, ...]:
    """Apply Deployment and Job, where nothing runs yet."""
    return (
        Step("roll out", after("baseline"), rollout),
        Step("install", after("baseline"), install),
        Step("migrate", a_little_later, migration("v2"), observed_within_s=120),
        Step("migrated", after("migrate")),
        Step("rolled out", rolled_out("v2")),
        Step("look on", seconds_after("rolled out", LOOK_S)),
    )


def the_new_code_fails_until_the_commit(release: str) -> tuple[Check, ...]:
    """A request fails if it meets the new release, and only until the column is there."""
    signature = Signature(release, UNDEFINED_COLUMN, CHIRP_ENDPOINTS)
    begins, ends = first_ready_endpoint(release), committed(6)
    return (
        mostly(signature, at_least=0.95),
        fails_soon_after(begins, within_s=1),
        as_many_as_predicted(signature, since=begins, until=ends, stream="fresh"),
        as_many_as_predicted(signature, since=begins, until=ends, stream="keepalive"),
        silent_after(fresh=ends, keepalive=ends),
    )


careless = Variant(
    name="careless",
    role=Role.CARELESS,
    timeline=apply_all("v2", rollout("v2", "off")),
    checks=the_new_code_fails_until_the_commit("v2"),
    cause_gone=committed(6),
    foresee=new_pods_fail(CHIRP_ENDPOINTS, migrate_s=LATER_S, statement_s=STATEMENT_S),
)

nobody_notices = no_failures(rate_below=0.002)

# One look of the gate (1 s), one startup probe (1 s), one readiness probe (2 s), and a second
# for the machine.
it_serves_at_once = follows(first_ready_endpoint("v2"), committed(6), at_most_s=5)

careful = Variant(
    name="careful",
    role=Role.CAREFUL,
    start=patient,
    timeline=apply_all("v2", rollout("v2", "wait")),
    checks=(
        nobody_notices,
        no_session_fails(rate_below=0.05),
        no_write_is_lost(),
        never_restarted("v2"),
        is_never_reported_late(),
        it_serves_at_once,
    ),
    cause_gone=committed(6),
)

# Refusing is right and dying is rude: no user is hurt where old pods serve, but all is well
# for half a minute before anybody finds out, and by then the deploy was reported as failed.
it_is_back_when_the_backoff_ends = (
    restarted("v2", at_least=3),
    follows(first_ready_endpoint("v2"), committed(6), at_least_s=20),
    waits_out_the_backoff("v2", back=first_ready_endpoint("v2"), cause_gone=committed(6)),
)

careless_exit = Variant(
    name="careless-exit",
    role=Role.CARELESS,
    timeline=apply_all("v2", rollout("v2", "refuse")),
    checks=(*it_is_back_when_the_backoff_ends, is_reported_late()),
    because=(nobody_notices,),
    cause_gone=committed(6),
    predicted=Outcome.REPRODUCED,
    foresee=nobody,
)

# The same where nobody else serves: now the back-off is downtime. And nobody reports it: a rollout
# to no pods at all is complete, and to scale it begins no other (`isCompleteDeployment` of
# https://github.com/kubernetes/kubernetes/blob/v1.36.0/pkg/controller/deployment/progress.go).
fresh_exit = Variant(
    name="fresh-exit",
    role=Role.CARELESS,
    start=nothing_there,
    timeline=install_all(rollout("v2", "refuse")),
    checks=(
        *it_is_back_when_the_backoff_ends,
        nobody_answers(injected(install), first_ready_endpoint("v2")),
    ),
    cause_gone=committed(6),
    predicted=Outcome.REPRODUCED,
    foresee=nobody_is_there(migrate_s=LATER_S, statement_s=STATEMENT_S, backs_off=True),
)

fresh_wait = Variant(
    name="fresh-wait",
    role=Role.CAREFUL,
    start=patient_and_nothing_there,
    timeline=install_all(rollout("v2", "wait")),
    checks=(
        nobody_answers(injected(install), first_ready_endpoint("v2")),
        it_serves_at_once,
        silent_after(fresh=first_ready_endpoint("v2"), keepalive=first_ready_endpoint("v2")),
        no_write_is_lost(),
        never_restarted("v2"),
    ),
    cause_gone=committed(6),
    predicted=Outcome.PREVENTED,
    foresee=nobody_is_there(migrate_s=LATER_S, statement_s=STATEMENT_S, backs_off=False),
)

# The same commands and the same migration, but the new release is v1's code under another
# name, which needs nothing of it.
control = Variant(
    name="control",
    role=Role.CARELESS,
    timeline=apply_all("v1b", rollout("v1b", "off")),
    checks=the_new_code_fails_until_the_commit("v1b"),
    because=(nobody_notices,),
    predicted=Outcome.NOT_REPRODUCED,
    foresee=nobody,
)

# The careful way with less patience than the migration takes: it gives up after ten seconds,
# and is then treated as one that crashes.
careful_without_patience = Variant(
    name="careful-without-patience",
    role=Role.CAREFUL,
    start=patient,
    timeline=apply_all("v2", rollout("v2", "wait", CHIRPS_GATE_BUDGET_S="10")),
    checks=(nobody_notices, never_restarted("v2")),
    because=(restarted("v2", at_least=1),),
    predicted=Outcome.NOT_PREVENTED,
    foresee=nobody,
)


def as_the_variant_begins(history: History) -> tuple[str, ...]:
    """Clean traffic where v1 serves; where nothing is installed, nobody at all."""
    is_empty = history.facts.get("replicas") == 0
    return nobody_is_served(history) if is_empty else clean_traffic(history)


scenario = Scenario(
    name="unordered-apply",
    title="Job and Deployment in one apply",
    question="Should a new binary refuse to start on migrations that were not applied yet?",
    careless=careless,
    careful=careful,
    proofs=(control, careful_without_patience, careless_exit, fresh_exit, fresh_wait),
    load=Load(rate=60, seed=1),
    baseline=as_the_variant_begins,
    baseline_s=10,
    settle=quiet(5, within_s=60),
    card=Card(
        level=Level.TWIN,
        rehearsal="start one process of `v2` on schema 5, migrate a while later, and look when"
        " it serves",
        together=(
            "a Job and a Deployment in one apply, which nothing puts in order",
            "how long the migration takes, the program waits, and the platform lets it",
        ),
        owed=(
            "an order: migrate, then roll out",
            "a pod that waits, and names in `/startupz` and in its log the version it waits for",
            "a progress deadline longer than the migration, so that a red deploy means one",
        ),
        decides=(
            "whoever deploys: to wait is safe, and so is to delete a pod in its back-off once"
            " the Job is complete"
        ),
    ),
)
