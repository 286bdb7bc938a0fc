"""Moving the Deployment by hand: what is kept, what goes back, and what is refused."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lab.kube import manifests
from lab.service import rolling, rollout
from lab.service.rollout import Configured, kept_overrides, template_of

GOOD = manifests.read_values("chirps", "lab-good")


def annotations(revision: int, **told: Any) -> dict[str, str]:
    return {
        rolling.REVISION: str(revision),
        rollout.PROFILE: "lab-good",
        rollout.SEED: "lab seed 1 1 abc",
        rollout.OVERRIDES: json.dumps(told.get("overrides", {})),
        rollout.VARIABLES: json.dumps(told.get("variables", {})),
    }


def replicaset(revision: int, release: str, **told: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {rollout.RELEASE_LABEL: release}}}
    metadata = {"name": f"chirps-{revision}", "annotations": annotations(revision, **told)}
    return {"metadata": metadata, "spec": {"template": template}}


def deployment(release: str, *, paused: bool = False, replicas: int = 4) -> dict[str, Any]:
    pod = {"terminationGracePeriodSeconds": 30, "containers": [{}]}
    template = {"metadata": {"labels": {rollout.RELEASE_LABEL: release}}, "spec": pod}
    spec = {
        "replicas": replicas,
        "paused": paused,
        "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "progressDeadlineSeconds": 60,
        "template": template,
    }
    return {"metadata": {"annotations": annotations(9)}, "spec": spec}


class Api:
    """A Deployment and its ReplicaSets; remembers what was changed."""

    def __init__(self, found: dict[str, Any], *sets: dict[str, Any]) -> None:
        self.found, self.sets = found, list(sets)
        self.merged: list[Mapping[str, Any]] = []

    def get(self, path: str, **_query: str) -> dict[str, Any]:
        return self.found if path.endswith("/deployments/chirps") else {"items": self.sets}

    def merge(self, _path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.merged.append(body)
        return {}


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[rollout.Template]:
    found: list[rollout.Template] = []
    monkeypatch.setattr(rollout, "apply_service", lambda _client, wanted: found.append(wanted))
    return found


def test_an_undo_goes_to_the_second_newest_revision(applied: list[rollout.Template]):
    variables = {"CHIRPS_GATE": "wait"}
    older, before, newest = (
        replicaset(2, "v0"),
        replicaset(9, "v1", variables=variables),
        replicaset(10, "v2"),
    )

    assert rolling.undo(Api(deployment("v2"), before, newest, older)) == ""  # type: ignore[arg-type]

    (wanted,) = applied
    assert (wanted.release, wanted.variables) == ("v1", variables)


def test_an_undo_leaves_size_and_strategy_as_they_are(applied: list[rollout.Template]):
    api = Api(deployment("v2", replicas=6), replicaset(1, "v1"), replicaset(2, "v2"))

    rolling.undo(api)  # type: ignore[arg-type]

    assert applied[0].overrides == {"replicas": 6}


def test_an_undo_is_refused_while_paused_and_without_a_history(applied: list[rollout.Template]):
    paused = Api(deployment("v2", paused=True), replicaset(1, "v1"), replicaset(2, "v2"))
    alone = Api(deployment("v1"), replicaset(1, "v1"))

    assert rolling.undo(paused) == rolling.PAUSED  # type: ignore[arg-type]
    assert rolling.undo(alone) == rolling.NO_HISTORY  # type: ignore[arg-type]
    assert applied == []


def test_a_change_by_hand_is_one_of_the_spec_alone():
    api = Api(deployment("v1"))

    rolling.pause(api)  # type: ignore[arg-type]
    rolling.scale(api, 0)  # type: ignore[arg-type]
    rolling.set_strategy(api, "100%", 0)  # type: ignore[arg-type]

    rolling_update = {"maxSurge": "100%", "maxUnavailable": 0}
    assert api.merged == [
        {"spec": {"paused": True}},
        {"spec": {"replicas": 0}},
        {"spec": {"strategy": {"rollingUpdate": rolling_update}}},
    ]


def configured(**changed: Any) -> Configured:
    told = {
        "release": "v1",
        "profile": "lab-good",
        "seed": "lab seed 1 1 abc",
        "overrides": {},
        "variables": {"CHIRPS_GATE": "off"},
        "replicas": GOOD["replicas"],
        "max_surge": GOOD["max_surge"],
        "max_unavailable": GOOD["max_unavailable"],
        "min_ready_s": 5,
        "progress_deadline_s": 60,
        "grace_s": 30,
        "pre_stop_s": 5,
        "readiness_probe": GOOD["readiness_probe"],
    }
    return Configured(**{**told, **changed})


def test_a_release_keeps_what_was_scaled_by_hand():
    told = configured(replicas=6, max_surge="100%")

    wanted = template_of(told, "v2", None)

    assert wanted.overrides == {"replicas": 6, "max_surge": "100%"}
    assert wanted.variables == {"CHIRPS_GATE": "off"}


def test_what_is_as_the_profile_has_it_is_no_override():
    assert template_of(configured(), "v2", {}).overrides == {}


def test_an_override_that_was_taken_back_by_hand_is_taken_back():
    told = configured(overrides={"replicas": 6, "min_ready_seconds": 1})

    assert kept_overrides("lab-good", told.overrides, told) == {
        "replicas": GOOD["replicas"],
        "min_ready_seconds": 1,
    }
