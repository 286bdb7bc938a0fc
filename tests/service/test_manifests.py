"""What the manifests of the service say, for each profile, and what they refuse."""

import json
from typing import Any

import pytest

from lab.errors import InvalidValue
from lab.kube import manifests
from lab.kube.apply import path_of
from lab.service import rollout


def chirps(profile: str = "lab-good", **changes: Any) -> list[dict[str, Any]]:
    values = manifests.read_values("chirps", profile) | {
        "profile": profile,
        "seed": "lab seed 20000 300000 0123456789ab",
        "release": "v1",
        "image": "lab.local/chirps:v1",
        "node_port": 30080,
        "overrides": {},
        "variables": {},
    }
    return manifests.render("chirps", **values | changes)


def deployment(profile: str) -> dict[str, Any]:
    found: dict[str, Any] = chirps(profile)[-1]["spec"]
    return found


def container(profile: str) -> dict[str, Any]:
    found: dict[str, Any] = deployment(profile)["template"]["spec"]["containers"][0]
    return found


def test_each_object_has_a_path_in_the_api() -> None:
    assert [path_of(item).rsplit("/", 2)[-2] for item in chirps()] == [
        "services",
        "poddisruptionbudgets",
        "deployments",
    ]


def test_the_good_profile_never_has_fewer_pods_than_wanted() -> None:
    strategy = deployment("lab-good")["strategy"]["rollingUpdate"]

    assert strategy == {"maxSurge": 1, "maxUnavailable": 0}
    assert (
        deployment("lab-good")["progressDeadlineSeconds"]
        > deployment("lab-good")["minReadySeconds"]
    )


def test_the_good_profile_waits_before_it_ends_and_starts_under_a_startup_probe() -> None:
    good = container("lab-good")

    assert good["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert good["startupProbe"]["httpGet"]["path"] == "/startupz"


def test_the_default_profile_is_what_kubernetes_does_when_nobody_sets_anything() -> None:
    plain = container("defaults")

    assert deployment("defaults")["strategy"]["rollingUpdate"]["maxSurge"] == "25%"
    assert "lifecycle" not in plain
    assert "startupProbe" not in plain
    assert plain["readinessProbe"]["periodSeconds"] == 10


@pytest.mark.parametrize("profile", ["lab-good", "defaults"])
def test_grace_is_longer_than_what_has_to_fit_into_it(profile: str) -> None:
    values = manifests.read_values("chirps", profile)

    needed = values["pre_stop_seconds"] + values["graceful_seconds"]
    assert needed < values["termination_grace_period_seconds"]


def test_all_values_that_are_wrong_are_told_at_once() -> None:
    with pytest.raises(InvalidValue) as caught:
        chirps(replicas=-1, max_surge="a lot", pool_size="eight")

    for name in ("replicas", "max_surge", "pool_size"):
        assert name in caught.value.message


def test_a_value_that_nobody_reads_is_a_mistake() -> None:
    with pytest.raises(InvalidValue, match="replica_count"):
        chirps(replica_count=4)


def test_a_profile_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(InvalidValue, match="no profile 'fast'; there are defaults, lab-good"):
        manifests.read_values("chirps", "fast")


def test_no_image_is_ever_pulled_and_no_password_stands_in_a_manifest() -> None:
    rendered = [
        *chirps(),
        *manifests.render(
            "postgres",
            image="lab.local/postgres:18",
            image_key="0123456789ab",
            max_connections=100,
            reserved_connections=3,
        ),
        *manifests.render("observer", image="lab.local/observer:1", image_key="0123456789ab"),
        *manifests.render(
            "migration", name="m", release="v1", image="i:1", args=["x"], database="chirps"
        ),
    ]

    containers = [
        each
        for item in rendered
        if "template" in item.get("spec", {})
        for each in item["spec"]["template"]["spec"]["containers"]
    ]
    assert len(containers) == 4
    assert {each["imagePullPolicy"] for each in containers} == {"Never"}
    passwords = [e for c in containers for e in c.get("env", []) if "PASSWORD" in e["name"]]
    assert all("value" not in e or e["name"].endswith("_FILE") for e in passwords)


def test_policies_of_a_scenario_are_variables_of_the_pod_and_can_be_read_back():
    told = chirps(variables={"CHIRPS_GATE": "wait"}, overrides={"replicas": 0}, replicas=0)[-1]

    env = told["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "CHIRPS_GATE", "value": "wait"} in env
    assert json.loads(told["metadata"]["annotations"]["lab.local/variables"]) == {
        "CHIRPS_GATE": "wait"
    }
    assert json.loads(told["metadata"]["annotations"]["lab.local/overrides"]) == {"replicas": 0}


@pytest.mark.parametrize("profile", ["lab-good", "defaults"])
def test_how_readiness_is_probed_can_be_read_back_as_the_profile_has_it(profile: str):
    wanted = manifests.read_values("chirps", profile)["readiness_probe"]

    assert rollout.read(chirps(profile)[-1]).readiness_probe == wanted


def test_a_deployment_that_is_not_probed_tells_no_probe():
    told = chirps()[-1]
    del told["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]

    assert rollout.read(told).readiness_probe == {}


def test_only_variables_of_the_service_can_be_set():
    with pytest.raises(InvalidValue, match="LD_PRELOAD"):
        chirps(variables={"LD_PRELOAD": "x"})


def test_the_operators_pod_is_who_may_migrate_and_has_no_password_in_its_environment():
    key = "0123456789ab"
    (found,) = manifests.render("operator", image="lab.local/chirps:v3", image_key=key)

    container = found["spec"]["template"]["spec"]["containers"][0]
    names = [each["name"] for each in container["env"]]
    assert "PGPASSWORD_FILE" in names
    assert "PGPASSWORD" not in names
    assert found["spec"]["template"]["spec"]["nodeSelector"] == {"role.lab.local/server": ""}


def budget(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = chirps(**changes)[1]["spec"]
    return found


def test_the_budget_lets_one_pod_go_and_holds_no_unhealthy_one() -> None:
    assert budget()["maxUnavailable"] == 1
    assert budget()["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_a_budget_may_count_what_stays_instead() -> None:
    found = budget(disruption_budget={"min_available": 4, "unhealthy": "IfHealthyBudget"})

    assert "maxUnavailable" not in found
    assert found["minAvailable"] == 4
    assert found["unhealthyPodEvictionPolicy"] == "IfHealthyBudget"


@pytest.mark.parametrize(
    "wrong",
    [
        {"unhealthy": "AlwaysAllow"},
        {"min_available": 3, "max_unavailable": 1, "unhealthy": "AlwaysAllow"},
        {"max_unavailable": 1, "unhealthy": "Never"},
    ],
)
def test_a_budget_counts_one_way(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match="disruption_budget"):
        chirps(disruption_budget=wrong)


def test_pods_tolerate_a_lost_node_as_long_as_the_api_server_says_unless_told() -> None:
    def tolerated(**changes: Any) -> list[int]:
        spec = chirps(**changes)[-1]["spec"]["template"]["spec"]
        return [t["tolerationSeconds"] for t in spec["tolerations"] if "tolerationSeconds" in t]

    assert tolerated() == []
    assert tolerated(toleration_seconds=30) == [30, 30]
