"""Each fault on six real nodes: its effect is seen, it is taken back in time, nothing is left."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.errors import InvalidValue
from lab.faults import (
    DeletePod,
    Drain,
    HoldSession,
    Isolate,
    Migrate,
    Pause,
    PowerOff,
    Rejoin,
    Resume,
    RunSql,
    Scale,
    SetImage,
    SetStrategy,
    StartAgent,
    StartDatabase,
    StopAgent,
    StopDatabase,
    TerminateBackends,
    Undo,
    WrongSecret,
)
from lab.lifecycle.lab import Lab
from lab.lifecycle.lock import exclusive
from lab.machines import isolation
from lab.scenario.runner import Bounds
from lab.scenario.stage import Fault
from lab.stages.cluster import ClusterStage
from lab.stages.undo import LabUndoLog
from tests.e2e.rehearsal import Rehearsal
from tests.e2e.service.conftest import Served

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(600)]

NAME = "lab"
# The node-monitor-grace-period is 50 s since Kubernetes 1.32, and 40 s before.
LOST_WITHIN_S = 90.0
RECOVERED_WITHIN_S = Bounds().recovery_s


def new_stage(served: Served) -> ClusterStage:
    lab = Lab.load(served.home.paths, NAME)
    return ClusterStage(lab, lab.connect(), LabUndoLog(lab))


@pytest.fixture
def rehearsal(served: Served) -> Iterator[Any]:
    with exclusive(served.home.paths, NAME):
        begun = Rehearsal.begin(new_stage(served), "faults")
        try:
            yield begun
        finally:
            begun.close()


def deployment(rehearsal: Rehearsal) -> Any:
    return rehearsal.history.last("deployment")


def is_rolled_out(rehearsal: Rehearsal, release: str, *, within_s: float = 120) -> bool:
    def holds() -> bool:
        told = deployment(rehearsal)
        all_new = told["updated"] == told["available"] == told["replicas"] == 4
        return bool(told["release"] == release and all_new)

    return rehearsal.wait(holds, within_s=within_s)


def take_back(rehearsal: Rehearsal, fault: Fault) -> None:
    took = rehearsal.recover(fault)
    assert took < RECOVERED_WITHIN_S, f"{fault.name} was taken back in {took:.1f} s"


def variables(served: Served) -> dict[str, str]:
    """Return what the Deployment gives its pods in the environment, as the cluster has it."""
    found = json.loads(served.kubectl("get", "deployment", "chirps", "-o", "json"))
    env = found["spec"]["template"]["spec"]["containers"][0]["env"]
    return {each["name"]: each.get("value", "") for each in env}


def test_a_rollout_is_paused_refuses_its_undo_goes_on_and_is_taken_back(
    served: Served, rehearsal: Rehearsal
) -> None:
    rehearsal.inject(SetStrategy(2, 1))
    rehearsal.inject(SetImage("v1b", variables={"CHIRPS_GATE": "wait"}))
    rehearsal.inject(Pause())
    rehearsal.inject(Undo("v1", refused=True))
    rehearsal.inject(Resume())
    assert variables(served)["CHIRPS_GATE"] == "wait"

    rehearsal.inject(Undo("v1"))

    assert is_rolled_out(rehearsal, "v1")
    assert "CHIRPS_GATE" not in variables(served)
    strategy = json.loads(served.kubectl("get", "deployment", "chirps", "-o", "json"))["spec"]
    assert strategy["strategy"]["rollingUpdate"] == {"maxSurge": 2, "maxUnavailable": 1}
    assert rehearsal.serves()


def test_what_an_undo_put_back_the_next_release_takes_out(
    served: Served, rehearsal: Rehearsal
) -> None:
    rehearsal.inject(SetImage("v1b", variables={"CHIRPS_GATE": "wait"}))
    assert is_rolled_out(rehearsal, "v1b")
    rehearsal.inject(SetImage("v1", variables={}))
    assert is_rolled_out(rehearsal, "v1")
    rehearsal.inject(Undo("v1b"))
    assert variables(served)["CHIRPS_GATE"] == "wait"
    # Before that, pods of v1 are still there, and no new one would tell of the next release.
    assert is_rolled_out(rehearsal, "v1b")

    rehearsal.inject(SetImage("v1", variables={}, attempt=2))

    assert "CHIRPS_GATE" not in variables(served)


def test_kubectl_undoes_to_the_same_template(served: Served, rehearsal: Rehearsal) -> None:
    """The rule that the fault follows, held against the program that it is of."""
    rehearsal.inject(SetImage("v1b", variables={"CHIRPS_GATE": "wait"}))
    rehearsal.inject(Undo("v1"))
    ours = json.loads(served.kubectl("get", "deployment", "chirps", "-o", "json"))["spec"]
    rehearsal.inject(SetImage("v1b", variables={"CHIRPS_GATE": "wait"}, attempt=2))

    served.kubectl("rollout", "undo", "deployment/chirps")

    theirs = json.loads(served.kubectl("get", "deployment", "chirps", "-o", "json"))["spec"]
    assert ours == theirs


def test_the_service_is_scaled_and_scaled_back(rehearsal: Rehearsal) -> None:
    fault = Scale(6, previous=4)

    rehearsal.inject(fault)
    take_back(rehearsal, fault)

    assert rehearsal.wait(lambda: deployment(rehearsal)["replicas"] == 4, within_s=60)


def test_a_session_that_is_held_blocks_a_migration_until_it_is_ended(
    rehearsal: Rehearsal,
) -> None:
    held = HoldSession("report", "SELECT count(*) FROM chirps")
    impatient = ("--lock-timeout", "1", "--retries", "0")
    waiting = Migrate("rename-careless", 6, "v2-naive", impatient, may_fail=True)
    rehearsal.inject(held)

    rehearsal.inject(waiting)

    assert rehearsal.history.last("job")["failed"] == 1  # type: ignore[index]
    take_back(rehearsal, held)
    rehearsal.inject(Migrate("rename-careless", 6, "v2-naive", attempt=2))


def test_an_idle_session_is_ended_by_somebody_else(rehearsal: Rehearsal) -> None:
    held = HoldSession("forgotten", "SELECT 1", idle_in_transaction=True)
    rehearsal.inject(held)

    rehearsal.inject(TerminateBackends("analyst/"))

    assert rehearsal.wait(
        lambda: (
            held.application
            not in {each["application"] for each in rehearsal.history.of("db")[-1]["sessions"]}
        ),
        within_s=10,
    )
    take_back(rehearsal, held)


def test_backends_of_the_service_are_ended_and_come_back(rehearsal: Rehearsal) -> None:
    rehearsal.inject(TerminateBackends("chirps/v1/"))

    assert rehearsal.serves()


def test_a_migrator_dies_where_it_was_told_to(rehearsal: Rehearsal) -> None:
    rehearsal.inject(Migrate("rename-careless", 6, "v2-naive", crash="6:1:after"))

    assert rehearsal.history.last("job")["failed"] == 1  # type: ignore[index]
    assert rehearsal.history.last("schema")["version"] == 5  # type: ignore[index]


def test_statements_by_hand_are_taken_back(rehearsal: Rehearsal) -> None:
    rename = RunSql(
        "rename",
        "ALTER TABLE chirps RENAME body TO text",
        "DO $$ BEGIN ALTER TABLE chirps RENAME text TO body;"
        " EXCEPTION WHEN undefined_column THEN NULL; END $$",
    )

    rehearsal.inject(rename)
    assert rehearsal.wait(
        lambda: any(e["sqlstate"] == "42703" for e in rehearsal.history.of("request")), within_s=10
    )
    take_back(rehearsal, rename)

    assert rehearsal.serves()


def test_a_database_is_stopped_and_stays_down_until_it_is_started(rehearsal: Rehearsal) -> None:
    stop = StopDatabase()

    rehearsal.inject(stop)
    assert not rehearsal.answers(within_s=15)
    take_back(rehearsal, stop)

    assert rehearsal.answers()
    assert rehearsal.serves(within_s=60)


def test_a_database_is_started_within_a_timeline(rehearsal: Rehearsal) -> None:
    rehearsal.inject(StopDatabase())

    rehearsal.inject(StartDatabase(), within_s=60)

    assert rehearsal.serves(within_s=60)


def test_a_wrong_password_keeps_new_pods_from_the_database(rehearsal: Rehearsal) -> None:
    wrong = WrongSecret("v1b")
    rehearsal.inject(wrong)
    rehearsal.inject(SetImage("v1b"))

    assert not is_rolled_out(rehearsal, "v1b", within_s=20)
    take_back(rehearsal, wrong)

    # The file is right at once, and read when the startup probe has had its minute.
    assert is_rolled_out(rehearsal, "v1b", within_s=180)


def test_a_password_that_is_made_wrong_is_so_in_the_pods_that_run(rehearsal: Rehearsal) -> None:
    wrong = WrongSecret("v1")

    rehearsal.inject(wrong, within_s=30)
    take_back(rehearsal, wrong)

    assert [event["unseen"] for event in rehearsal.history.of("secret")] == [[], [], []]
    assert rehearsal.serves()


def test_a_pod_that_is_deleted_is_replaced(rehearsal: Rehearsal) -> None:
    rehearsal.inject(DeletePod("n4"))

    assert rehearsal.wait(lambda: deployment(rehearsal)["available"] == 4, within_s=60)


def test_the_database_is_cut_off_and_found_again(served: Served, rehearsal: Rehearsal) -> None:
    cut = Isolate("database")

    rehearsal.inject(cut)
    take_back(rehearsal, cut)

    assert isolation.cuts(served.home.record(NAME)["lab_id"]) == ()
    assert rehearsal.answers()
    assert rehearsal.serves(within_s=60)


def test_a_node_is_cut_off_and_joins_again(served: Served, rehearsal: Rehearsal) -> None:
    cut = Isolate("n4")
    lab_id = served.home.record(NAME)["lab_id"]

    rehearsal.inject(cut, within_s=LOST_WITHIN_S)
    assert isolation.dropped(lab_id, "n4") > 0
    rehearsal.inject(Rejoin("n4"), within_s=LOST_WITHIN_S)
    take_back(rehearsal, cut)

    assert isolation.cuts(lab_id) == ()
    assert rehearsal.serves(within_s=60)


def test_an_agent_stops_and_its_containers_go_on(rehearsal: Rehearsal) -> None:
    stop = StopAgent("n5")

    rehearsal.inject(stop, within_s=LOST_WITHIN_S)
    since = rehearsal.stage.now()
    assert rehearsal.wait(
        lambda: any(
            each["node"] == "n5" and each["outcome"] == "ok" and each["t"] >= since
            for each in rehearsal.history.of("request")
        ),
        within_s=20,
    )
    rehearsal.inject(StartAgent("n5"), within_s=60)
    take_back(rehearsal, stop)


def test_a_node_loses_its_power_and_has_it_again(rehearsal: Rehearsal) -> None:
    off = PowerOff("n6")

    rehearsal.inject(off, within_s=LOST_WITHIN_S)
    take_back(rehearsal, off)

    assert rehearsal.serves(within_s=120)


def test_a_node_is_drained_within_the_budget_and_takes_pods_again(
    served: Served, rehearsal: Rehearsal
) -> None:
    fault = Drain("n3", timeout_s=90)

    rehearsal.inject(fault)
    assert rehearsal.wait(
        lambda: rehearsal.history.last("drain")["what"] != "begun",  # type: ignore[index]
        within_s=100,
    )
    assert rehearsal.history.last("drain")["what"] == "done"  # type: ignore[index]
    statuses = {each["status"] for each in rehearsal.history.of("eviction")}
    assert statuses <= {201, 404, 429}
    assert 201 in statuses
    take_back(rehearsal, fault)

    node = json.loads(served.home.must("kubectl", "get", "node", "n3", "-o", "json"))
    assert not node["spec"].get("unschedulable")


def test_the_home_of_the_observer_is_never_hit(rehearsal: Rehearsal) -> None:
    for fault in (Isolate("n1"), StopAgent("n1"), PowerOff("n1"), Drain("n1")):
        with pytest.raises(InvalidValue, match="observer"):
            fault.inject(rehearsal.stage)


def test_the_next_run_heals_what_one_that_was_killed_left(served: Served) -> None:
    left = (StopAgent("n5"), WrongSecret("v1"), Isolate("n4"), StopDatabase(), Pause())
    with exclusive(served.home.paths, NAME):
        killed = new_stage(served)
        for fault in left:
            killed.undo_log.intend(fault.name, fault.undo())
            fault.inject(killed)

        begun: Any = Rehearsal.begin(new_stage(served), "healed")

        assert begun.serves()
        assert begun.stage.undo_log.left() == []
        begun.close()
