from typing import Any

import pytest

from lab.service.rollout import RELEASE_LABEL, judge, resolve


def pod(release: str = "v1", *, ready: bool = True, leaving: bool = False, **waiting: str) -> Any:
    state = {"waiting": waiting} if waiting else {"running": {}}
    return {
        "metadata": {"labels": {RELEASE_LABEL: release}}
        | ({"deletionTimestamp": "2026-01-01T00:00:00Z"} if leaving else {}),
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"state": state}],
        },
    }


def test_four_ready_pods_of_the_release_are_enough() -> None:
    assert judge([pod()] * 4, release="v1", wanted=4) == ""


def test_a_pod_of_another_release_keeps_the_service_from_being_ready() -> None:
    assert judge([*[pod()] * 4, pod("v2")], release="v1", wanted=4).startswith("1 pods of another")


def test_a_pod_on_its_way_out_does_not_count_as_ready() -> None:
    found = [*[pod()] * 3, pod(leaving=True)]

    assert judge(found, release="v1", wanted=4) == "3 of 4 pods are Ready"


def test_an_image_that_is_missing_is_told_in_the_kubelets_words() -> None:
    missing = pod(ready=False, reason="ErrImageNeverPull", message="not present")

    assert judge([missing], release="v1", wanted=1) == (
        "0 of 1 pods are Ready (ErrImageNeverPull not present)"
    )


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable"), [(4, 1, 1), (6, 2, 1), (1, 1, 0), (10, 3, 2)]
)
def test_a_quarter_of_the_replicas_is_rounded_up_for_surge_and_down_for_unavailable(
    replicas: int, surge: int, unavailable: int
) -> None:
    assert resolve("25%", replicas, up=True) == surge
    assert resolve("25%", replicas, up=False) == unavailable


def test_a_count_is_what_it_is() -> None:
    assert resolve(3, 100, up=True) == 3
