"""Then should readiness check nothing?

The next release gets a wrong password for the database: its own mistake, which no pod that
runs has. The careless readiness probe says yes to everybody, so each new pod takes the place
of one that works, and the deploy command reports success over a service that fails. For the
careful one a dependency that this process has never reached is its own trouble: the first new
pod never gets traffic, the old ones go on, and the deploy command fails when it must.

The other half is shared-dep-readiness: what was reached once and is away for all alike is no
reason to leave.
"""

from lab.faults import RightSecret, SetImage, Undo, WrongSecret
from lab.scenario.baseline import clean_traffic
from lab.scenario.card import Card, Level
from lab.scenario.checks import as_many_as_predicted, mostly, no_failures, no_write_is_lost
from lab.scenario.checks_deploy import (
    deploy_fails_in_time,
    deploy_succeeds,
    fails_everywhere,
    never_connects,
    never_serves,
    rollout_ended,
)
from lab.scenario.checks_outage import all_endpoints_stay
from lab.scenario.checks_scope import unharmed
from lab.scenario.forecast import nobody
from lab.scenario.forecast_rollout import new_pods_fail_until_undone
from lab.scenario.model import CHIRP_ENDPOINTS, Load, Role, Scenario, Step, Variant
from lab.scenario.moments import first_ready_endpoint, injected, last_ready_endpoint_gone
from lab.scenario.signature import Signature
from lab.scenario.stage import Fault
from lab.scenario.timeline import after, gone, quiet, rolled_out, seconds_after
from lab.scenario.verdict import Outcome

# PostgreSQL's code for a wrong password:
# https://www.postgresql.org/docs/18/errcodes-appendix.html
INVALID_PASSWORD = "28P01"  # noqa: S105 - a code and no password
NEEDS_DATABASE = (*CHIRP_ENDPOINTS, "create_user", "create_session")

# v1's code under another name: nothing is new but its configuration.
NEW = "v1b"
checks_nothing = {"CHIRPS_READINESS": "shallow"}
has_to_work_once = {"CHIRPS_READINESS": "latch"}

take_it_back = Undo(to="v1")
the_new_password_is_wrong = Signature(NEW, INVALID_PASSWORD, NEEDS_DATABASE)
until_it_is_taken_back = new_pods_fail_until_undone(NEEDS_DATABASE, look_s=8)


def deploy(secret: Fault, readiness: dict[str, str]) -> tuple[Step, ...]:
    """Change the secret, roll out, wait for the deploy command to come back, and take it back."""
    return (
        Step("secret", after("baseline"), secret),
        Step("roll out", after("secret"), SetImage(NEW, variables=readiness)),
        Step("deploy command back", rollout_ended(NEW)),
        Step("look", seconds_after("deploy command back", 8)),
        # It brings back the template, and with it v1's own secret, which was right all along.
        Step("take it back", after("look"), take_it_back),
        Step("taken back", rolled_out("v1")),
        Step("new pods gone", gone(NEW)),
    )


nobody_notices = no_failures(rate_below=0.002)

a_success_that_serves_nobody = (
    deploy_succeeds(NEW),
    mostly(the_new_password_is_wrong, at_least=0.95),
    fails_everywhere(the_new_password_is_wrong, gone="v1", until=injected(take_it_back)),
    as_many_as_predicted(
        the_new_password_is_wrong, since=first_ready_endpoint(NEW), stream="fresh"
    ),
    as_many_as_predicted(
        the_new_password_is_wrong, since=first_ready_endpoint(NEW), stream="keepalive"
    ),
    unharmed(("page",), rate_below=0.02),
)

careless = Variant(
    name="careless",
    role=Role.CARELESS,
    timeline=deploy(WrongSecret(NEW), checks_nothing),
    checks=a_success_that_serves_nobody,
    cause_gone=last_ready_endpoint_gone(NEW),
    foresee=until_it_is_taken_back,
)

the_old_pods_go_on = (
    deploy_fails_in_time(NEW),
    nobody_notices,
    all_endpoints_stay(),
    never_serves(NEW),
    never_connects(NEW),
    no_write_is_lost(),
)

careful = Variant(
    name="careful",
    role=Role.CAREFUL,
    timeline=deploy(WrongSecret(NEW), has_to_work_once),
    checks=the_old_pods_go_on,
)

# The same commands with the right password. If this were judged "reproduced", it would not be
# the configuration that was seen.
control = Variant(
    name="control",
    role=Role.CARELESS,
    timeline=deploy(RightSecret(NEW), checks_nothing),
    checks=a_success_that_serves_nobody,
    because=(nobody_notices,),
    predicted=Outcome.NOT_REPRODUCED,
    foresee=nobody,
)

# All that is careful about it is that a pod has to have worked once.
careful_without_the_latch = Variant(
    name="careful-without-the-latch",
    role=Role.CAREFUL,
    timeline=deploy(WrongSecret(NEW), checks_nothing),
    checks=(nobody_notices, all_endpoints_stay(), no_write_is_lost()),
    because=(mostly(the_new_password_is_wrong, at_least=0.95),),
    predicted=Outcome.NOT_PREVENTED,
    foresee=until_it_is_taken_back,
)

scenario = Scenario(
    name="shallow-ready-bad-config",
    title="A readiness that checks nothing",
    question="Then should readiness check nothing?",
    careless=careless,
    careful=careful,
    proofs=(control, careful_without_the_latch),
    load=Load(rate=60, seed=19),
    baseline=clean_traffic,
    baseline_s=10,
    settle=quiet(5, within_s=60),
    card=Card(
        level=Level.TWIN,
        rehearsal="start one process with a wrong password and ask `/readyz`",
        together=("the image", "its secret"),
        owed=(
            "a deploy command that stays on the line, and exits 1 with the reason",
            "`/readyz` of a new pod that says which dependency it never reached, and why",
            "failures counted by release and SQLSTATE",
        ),
        decides="whoever deploys: undo is safe as long as the old secret is left alone",
    ),
)
