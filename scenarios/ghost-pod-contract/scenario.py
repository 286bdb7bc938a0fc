"""How do I know that the old version is gone before I drop what only it needs?

The schema is expanded, v2 writes the old column and the new one, v3 the new one only. When
the last v2 is gone, the old column may go. While v2 runs, the agent of one node stops: its
containers go on, and nobody hears of them. The cluster gives the pods up and starts others;
then v3 is rolled out. The careless way asks the API whether a v2 is left, and the API knows
what it wanted. The careful way asks the database, which knows who is talking to it.
"""

from lab.faults import Ask, Migrate, RunSql, SetImage, StopAgent, TerminateBackends
from lab.scenario.card import Card, Level
from lab.scenario.checks import holds, no_failures, no_write_is_lost
from lab.scenario.checks_answers import allowed, refused_for_ghosts
from lab.scenario.checks_ghosts import (
    ghosts_are_connected,
    ghosts_go_on_writing,
    nobody_is_connected,
    the_api_counts_none,
    work_is_lost,
)
from lab.scenario.checks_nodes import given_up_after_its_toleration, lost_after_its_grace
from lab.scenario.forecast import nobody
from lab.scenario.forecast_unseen import ghosts_write
from lab.scenario.model import Invariant, Load, Role, Scenario, Start, Step, Variant
from lab.scenario.moments import committed, injected
from lab.scenario.nodes import are_given_up, clean_traffic_and_a_pod_on, serves_in_full
from lab.scenario.timeline import after, quiet, rolled_out, seconds_after
from lab.scenario.verdict import Outcome
from lab.scenario.wanted import had_its_time

NODE = "n5"
TRACK, CONTRACT = "rename-careful", 9
# What v2 does beside requests: a row a second, in which it names both columns.
WORKING = {"CHIRPS_WORKER": "on"}
EVERY_S = 1.0
SILENT_S = 8
WATCH_S = 12
OLDER = ("v1", "v1b", "v2_naive", "v2_lang", "v2")

expanded = Start(
    release="v2",
    track=TRACK,
    schema=8,
    variables=WORKING,
    # As long as it takes at most to end well: the hook's 5 s, and 15 s for requests in flight.
    profile={"termination_grace_period_seconds": 20},
)
stop_the_agent = StopAgent(NODE)
contract = Migrate(TRACK, to=CONTRACT, release="v3")

losing_a_node = (
    Step("lose the node", after("baseline"), stop_the_agent, observed_within_s=120),
    # With Kubernetes' own timers: 50 s until the node counts as lost, then 300 s.
    Step("its pods are given up", are_given_up(NODE, "v2", within_s=480)),
    Step("others serve", serves_in_full("v2", within_s=120)),
)

rolling_out = (
    Step(
        "roll out",
        seconds_after("baseline", 2, within_s=720),
        SetImage("v3", previous="v2", variables={}, previous_variables=WORKING),
    ),
    Step("rolled out", rolled_out("v3", within_s=240)),
    # Longer than a pod may take to end: who waited in vain for this was not impatient.
    Step("the old ones had their time", had_its_time("v2")),
)

dropping_the_column = (
    Step("contract", after("the old ones had their time"), contract),
    Step("watch", seconds_after("contract", WATCH_S)),
)

AT = """(SELECT pg_xact_commit_timestamp(xmin) FROM goose_db_version
WHERE version_id = 9 AND is_applied ORDER BY id DESC LIMIT 1)"""
ROWS_OF_V2 = """SELECT count(*) FROM chirps WHERE author_id = (SELECT min(id) FROM users)
AND content LIKE 'row % by the worker of chirps/v2/%'"""

v2_was_silent = Invariant(
    f"v2 wrote nothing in the {SILENT_S} s before the contract",
    f"{ROWS_OF_V2} AND created_at BETWEEN {AT} - interval '{SILENT_S} s' AND {AT}",
    expected=0,
)
v2_is_silent = Invariant(
    "v2 wrote nothing after the contract", f"{ROWS_OF_V2} AND created_at > {AT}", expected=0
)
asked_of_the_data = (v2_was_silent, v2_is_silent)

at_the_contract = committed(CONTRACT)
nobody_notices = no_failures(rate_below=0.002)
they_live_on = ghosts_are_connected("v2", NODE, at=at_the_contract)
they_go_on_writing = ghosts_go_on_writing(
    "v2", NODE, v2_was_silent, at=at_the_contract, over_s=SILENT_S, every_s=EVERY_S
)

# What the cluster does by itself, and when, follows from timers that were read back.
as_the_timers_say = (
    lost_after_its_grace(NODE, silent_since=injected(stop_the_agent)),
    given_up_after_its_toleration(NODE, "v2"),
)

the_dead_write = (
    the_api_counts_none("v2", at=at_the_contract),
    they_live_on,
    they_go_on_writing,
    work_is_lost("v2", v2_is_silent, since=at_the_contract, every_s=EVERY_S),
)

careless = Variant(
    name="careless",
    role=Role.CARELESS,
    start=expanded,
    timeline=(*losing_a_node, *rolling_out, *dropping_the_column),
    invariants=asked_of_the_data,
    checks=(*as_the_timers_say, *the_dead_write, nobody_notices),
    foresee=ghosts_write(),
)

QUESTION = ("can-i-contract", "--track", TRACK, "--to", str(CONTRACT), "--quiet-for", "1")
first_question, second_question = Ask(QUESTION), Ask(QUESTION, attempt=2)
# The door before the room: who is thrown out while it is open comes back at once.
shut_the_door = RunSql(
    "shut older releases out",
    "; ".join(f"ALTER ROLE chirps_{release} NOLOGIN" for release in OLDER),
    undo_sql="; ".join(f"ALTER ROLE chirps_{release} LOGIN" for release in OLDER),
)

asking = Step("ask", after("the old ones had their time"), first_question)

nobody_is_left = nobody_is_connected("v2", since=at_the_contract)
who_asks_is_refused = refused_for_ghosts(first_question, NODE, "v2")

careful = Variant(
    name="careful",
    role=Role.CAREFUL,
    start=expanded,
    timeline=(
        *losing_a_node,
        *rolling_out,
        asking,
        Step("shut the door", after("ask"), shut_the_door),
        Step("clear the room", after("shut the door"), TerminateBackends("chirps/v2/")),
        Step("ask again", after("clear the room"), second_question),
        # So that the silence before it is one of those who were thrown out.
        Step("contract", seconds_after("ask again", SILENT_S + 2), contract),
        Step("watch", seconds_after("contract", WATCH_S)),
    ),
    invariants=asked_of_the_data,
    checks=(
        *as_the_timers_say,
        who_asks_is_refused,
        allowed(second_question),
        nobody_is_left,
        holds(v2_was_silent),
        holds(v2_is_silent),
        no_write_is_lost(),
        nobody_notices,
    ),
)

# The same without a lost node: the API is right then, so nothing of it may be seen.
control = Variant(
    name="control",
    role=Role.CARELESS,
    start=expanded,
    timeline=(*rolling_out, *dropping_the_column),
    invariants=asked_of_the_data,
    checks=the_dead_write,
    because=(nobody_is_left, nobody_notices),
    predicted=Outcome.NOT_REPRODUCED,
    foresee=nobody,
)

# Asked, refused, and done nevertheless: it must go red because of those who are still there.
careful_without_fence = Variant(
    name="careful-without-fence",
    role=Role.CAREFUL,
    start=expanded,
    timeline=(
        *losing_a_node,
        *rolling_out,
        asking,
        Step("contract", after("ask"), contract),
        Step("watch", seconds_after("contract", WATCH_S)),
    ),
    invariants=asked_of_the_data,
    checks=(nobody_is_left,),
    because=(who_asks_is_refused, they_live_on),
    predicted=Outcome.NOT_PREVENTED,
    foresee=ghosts_write(),
)

scenario = Scenario(
    name="ghost-pod-contract",
    title="Ghost pod contract",
    question="How do I know that the old version is gone before I drop what only it needs?",
    careless=careless,
    careful=careful,
    proofs=(control, careful_without_fence),
    # New connections only. One that is kept stays with the ghost, and its user would tell; what
    # is shown here is told by nobody.
    load=Load(rate=60, seed=1, keepalive_share=0),
    baseline=clean_traffic_and_a_pod_on(NODE, "v2"),
    baseline_s=10,
    settle=quiet(5, within_s=60),
    needs=("nodes", "node-agent", "operator"),
    card=Card(
        level=Level.DATABASE,
        rehearsal="keep one process of v2 connected, and ask `can-i-contract`",
        together=("the end of the last v2", "the column that only v2 needs"),
        owed=(
            "a contract that asks the database who is there, and refuses by itself",
            "a role for each release, so that one of them can be shut out",
            "an alarm on sessions of a release that nobody wants any more",
        ),
        decides="whoever owns the data: waiting costs a column, going on may cost rows",
        no_way_back=("contract",),
    ),
)
