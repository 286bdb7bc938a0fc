from typing import Any

from lab.kube.drain import bound_to_node


def pod(name: str, owner: str = "") -> dict[str, Any]:
    owners = [{"kind": owner, "controller": True}] if owner else []
    return {"metadata": {"name": name, "namespace": "shop", "ownerReferences": owners}}


def test_a_pod_of_a_deployment_can_run_elsewhere() -> None:
    assert bound_to_node([pod("web", "ReplicaSet")]) == []


def test_a_database_and_a_pod_of_nobodys_would_be_lost() -> None:
    found = bound_to_node([pod("postgres-0", "StatefulSet"), pod("alone")])

    assert found == ["shop/postgres-0", "shop/alone"]
