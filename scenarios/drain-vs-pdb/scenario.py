"""Do my safety settings keep the operator from working?

Four pods serve, and a node has to be emptied for a new kernel. The careless budget wants four
healthy pods of four: a promise that can only be kept while nobody touches anything, so every
eviction is refused, for as long as somebody asks. The careful budget says how many may be
missing for a moment, and leaves nobody stuck who is not well anyway.

It is the same where the pod on the node has never become ready, and would not be missed: a budget
that is not met keeps it, too, unless it says otherwise.
"""

from lab.faults import DeletePod, Drain, WrongSecret
from lab.scenario.card import Card, Level
from lab.scenario.checks import no_failures, no_session_fails, no_write_is_lost
from lab.scenario.checks_drain import (
    done_in_time,
    never_done,
    ready_as_the_budget_says,
    refused_as_the_budget_says,
)
from lab.scenario.drains import has_ended
from lab.scenario.forecast import nobody
from lab.scenario.forecast_unseen import the_budget_refuses
from lab.scenario.model import Load, Role, Scenario, Start, Step, Variant
from lab.scenario.nodes import clean_traffic_and_a_pod_on, has_an_unwell_pod
from lab.scenario.timeline import after, quiet, seconds_after
from lab.scenario.verdict import Outcome

NODE = "n4"
PATIENCE_S = 45
# Who is careful is watched for long enough to tell a rare failure from none.
LOOK_S, LONG_LOOK_S = 5, 25

all_four_for_ever = Start(
    profile={"disruption_budget": {"min_available": 4, "unhealthy": "IfHealthyBudget"}}
)
one_may_be_missing = Start(
    profile={"disruption_budget": {"max_unavailable": 1, "unhealthy": "AlwaysAllow"}}
)
# The same promise as four of four, in words that look more modest.
none_may_be_missing = Start(
    profile={"disruption_budget": {"max_unavailable": 0, "unhealthy": "AlwaysAllow"}}
)
# Four of four as well, but whoever is not well may go all the same.
all_four_who_are_well = Start(
    profile={"disruption_budget": {"min_available": 4, "unhealthy": "AlwaysAllow"}}
)


def emptying_the_node(*, once: str = "baseline", look_s: float = LOOK_S) -> tuple[Step, ...]:
    return (
        Step("drain", after(once), Drain(NODE, timeout_s=PATIENCE_S)),
        # How it ends is judged. That it ends is bounded by the drain itself.
        Step("drained or given up", has_ended(NODE, within_s=PATIENCE_S + 30)),
        Step("watch", seconds_after("drained or given up", look_s)),
    )


# A password that was changed wrongly: who is connected goes on, and whoever starts never gets
# ready. One pod is started anew, and it is the one that is in the way.
with_a_pod_that_is_unwell = (
    Step("wrong password", after("baseline"), WrongSecret("v1")),
    Step("start anew", after("wrong password"), DeletePod(NODE)),
    Step("it is not ready", has_an_unwell_pod(NODE, for_s=15, within_s=120)),
    *emptying_the_node(once="it is not ready", look_s=LONG_LOOK_S),
)

nothing_moves = refused_as_the_budget_says(NODE)
it_gives_up = never_done(NODE)
it_is_emptied = done_in_time(NODE)
nobody_notices = no_failures(rate_below=0.002)
# In the little traffic of a drain that goes well.
nobody_notices_then = no_failures(rate_below=0.006)
as_the_budget_says = the_budget_refuses(patience_s=PATIENCE_S)

careless = Variant(
    name="careless",
    role=Role.CARELESS,
    start=all_four_for_ever,
    timeline=emptying_the_node(),
    checks=(nothing_moves, it_gives_up),
    foresee=as_the_budget_says,
)

careful = Variant(
    name="careful",
    role=Role.CAREFUL,
    start=one_may_be_missing,
    timeline=emptying_the_node(look_s=LONG_LOOK_S),
    checks=(
        it_is_emptied,
        ready_as_the_budget_says(NODE),
        nobody_notices,
        no_session_fails(rate_below=0.05),
        no_write_is_lost(),
    ),
    foresee=as_the_budget_says,
)

# The same drain against a budget that has something to give: were this judged "reproduced", it
# would not be the budget that was seen.
control = Variant(
    name="control",
    role=Role.CARELESS,
    start=one_may_be_missing,
    timeline=emptying_the_node(),
    checks=(nothing_moves, it_gives_up),
    because=(it_is_emptied, nobody_notices_then),
    predicted=Outcome.NOT_REPRODUCED,
    foresee=as_the_budget_says,
)

# The careful way without anything to spare must go red, and for this reason.
careful_without_spare = Variant(
    name="careful-without-spare",
    role=Role.CAREFUL,
    start=none_may_be_missing,
    timeline=emptying_the_node(),
    checks=(it_is_emptied,),
    because=(nothing_moves,),
    predicted=Outcome.NOT_PREVENTED,
    foresee=as_the_budget_says,
)

# The budget is not met any more, so it keeps even the pod that is missing in it.
careless_with_an_unwell_pod = Variant(
    name="careless-with-an-unwell-pod",
    role=Role.CARELESS,
    start=all_four_for_ever,
    timeline=with_a_pod_that_is_unwell,
    checks=(nothing_moves, it_gives_up),
    because=(nobody_notices,),
    predicted=Outcome.REPRODUCED,
    foresee=nobody,
)

# The same budget with the other policy: that alone lets the node be emptied.
control_with_an_unwell_pod = Variant(
    name="control-with-an-unwell-pod",
    role=Role.CARELESS,
    start=all_four_who_are_well,
    timeline=with_a_pod_that_is_unwell,
    checks=(nothing_moves, it_gives_up),
    because=(it_is_emptied, nobody_notices),
    predicted=Outcome.NOT_REPRODUCED,
    foresee=nobody,
)

careful_with_an_unwell_pod = Variant(
    name="careful-with-an-unwell-pod",
    role=Role.CAREFUL,
    start=one_may_be_missing,
    timeline=with_a_pod_that_is_unwell,
    checks=(
        it_is_emptied,
        ready_as_the_budget_says(NODE),
        nobody_notices,
        no_session_fails(rate_below=0.05),
        no_write_is_lost(),
    ),
    predicted=Outcome.PREVENTED,
    foresee=nobody,
)

scenario = Scenario(
    name="drain-vs-pdb",
    title="Drain against a disruption budget",
    question="Do my safety settings keep the operator from working?",
    careless=careless,
    careful=careful,
    proofs=(
        control,
        careful_without_spare,
        careless_with_an_unwell_pod,
        control_with_an_unwell_pod,
        careful_with_an_unwell_pod,
    ),
    load=Load(rate=60, seed=1),
    baseline=clean_traffic_and_a_pod_on(NODE, "v1"),
    baseline_s=10,
    settle=quiet(5, within_s=60),
    needs=("nodes", "eviction"),
    card=Card(
        level=Level.STATIC,
        rehearsal="subtract what the budget wants from `replicas`: 0 blocks every drain",
        together=("the number of pods", "the number that must stay"),
        owed=(
            "a budget with something to spare, refused in review where it has none",
            "a drain now and then, in daylight",
            "who may change the budget at night, and to what",
        ),
        decides="whoever owns the service: one pod more is always safe, no budget never is",
    ),
)
