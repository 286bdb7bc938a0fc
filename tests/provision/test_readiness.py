from dataclasses import replace
from typing import Any

from lab.kube import nodes
from lab.kube.nodes import NodeStatus
from lab.provision.readiness import judge_answers, judge_nodes

VERSION = "v1.36.3"
SERVERS = ("n1",)
READY = NodeStatus("n1", True, "KubeletReady", "", VERSION, ("control-plane",), True)
SECOND = replace(READY, name="n2", roles=())


def node_object(*conditions: tuple[str, str]) -> dict[str, Any]:
    return {
        "metadata": {"name": "n1", "labels": {}},
        "spec": {},
        "status": {
            "conditions": [{"type": t, "status": s, "reason": "Because"} for t, s in conditions],
            "nodeInfo": {"kubeletVersion": VERSION},
        },
    }


def test_exactly_the_expected_nodes_all_ready_is_ready() -> None:
    assert not judge_nodes(["n1", "n2"], [READY, SECOND], (VERSION,), SERVERS).findings


def test_no_node_at_all_is_not_ready() -> None:
    assert judge_nodes(["n1"], [], (VERSION,), SERVERS).findings == ("n1 has not joined",)


def test_a_node_that_never_joined_is_named() -> None:
    assert judge_nodes(["n1", "n2"], [READY], (VERSION,), SERVERS).findings == (
        "n2 has not joined",
    )


def test_a_node_that_is_not_ready_is_named_with_its_reason() -> None:
    down = replace(SECOND, ready=False, reason="KubeletNotReady", message="cni not initialized")

    missing = judge_nodes(["n1", "n2"], [READY, down], (VERSION,), SERVERS)

    assert missing.text() == "n2 is not Ready (KubeletNotReady: cni not initialized)"


def test_a_node_of_another_version_is_named() -> None:
    old = replace(SECOND, version="v1.35.0")

    assert "n2 runs v1.35.0" in judge_nodes(["n1", "n2"], [READY, old], (VERSION,), SERVERS).text()


def test_a_stranger_in_the_cluster_is_named() -> None:
    assert (
        "n2 is in the cluster" in judge_nodes(["n1"], [READY, SECOND], (VERSION,), SERVERS).text()
    )


def test_ready_is_found_by_type_wherever_it_stands() -> None:
    item = node_object(("Ready", "True"), ("EtcdIsVoter", "False"))

    assert nodes.parse(item).ready


def test_another_condition_in_the_last_place_does_not_count_as_ready() -> None:
    item = node_object(("Ready", "False"), ("EtcdIsVoter", "True"))

    assert not nodes.parse(item).ready


def test_a_node_without_conditions_is_not_ready() -> None:
    assert nodes.parse(node_object()).reason == "NoStatusYet"


def answers(**changed: dict[str, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {
        "http://10.244.1.2:8080/name": {"ok": True, "answer": "n1", "error": ""},
        "http://10.244.2.2:8080/name": {"ok": True, "answer": "n2", "error": ""},
        "http://10.96.0.7:8080/name": {"ok": True, "answer": "n1", "error": ""},
        "kubernetes.default.svc.cluster.local@10.96.0.10": {"ok": True, "answer": "10.96.0.1"},
    }
    return good | changed


ADDRESSES = {"n1": "10.244.1.2", "n2": "10.244.2.2"}
SERVICE = "10.96.0.7"


def test_every_answer_from_the_right_place_is_no_finding() -> None:
    assert judge_answers("n1", answers(), ADDRESSES, SERVICE) == []


def test_a_pod_that_cannot_be_reached_is_named() -> None:
    broken = answers(**{"http://10.244.2.2:8080/name": {"ok": False, "error": "timeout"}})

    assert judge_answers("n1", broken, ADDRESSES, SERVICE) == [
        "n1 cannot reach http://10.244.2.2:8080/name (n2): timeout"
    ]


def test_a_local_service_that_answers_from_another_node_is_named() -> None:
    wrong = answers(**{"http://10.96.0.7:8080/name": {"ok": True, "answer": "n2", "error": ""}})

    assert "asked http://10.96.0.7:8080/name for n1 and got 'n2'" in str(
        judge_answers("n1", wrong, ADDRESSES, SERVICE)
    )


def test_a_name_that_does_not_resolve_is_named() -> None:
    name = "kubernetes.default.svc.cluster.local@10.96.0.10"
    broken = answers(**{name: {"ok": False, "error": "refused"}})

    assert "cannot resolve" in str(judge_answers("n1", broken, ADDRESSES, SERVICE))


def test_a_question_without_an_answer_is_a_finding() -> None:
    assert len(judge_answers("n1", {}, ADDRESSES, SERVICE)) == 4


def test_a_server_that_is_none_and_an_agent_that_is_one_are_told() -> None:
    wrong = judge_nodes(["n1", "n2"], [READY, SECOND], (VERSION,), ("n2",)).findings

    assert wrong == ("n1 is a server and should be none", "n2 is not a server")


def test_in_the_midst_of_an_upgrade_a_node_may_have_either_version() -> None:
    new = replace(SECOND, version="v1.37.0")

    assert not judge_nodes(["n1", "n2"], [READY, new], (VERSION, "v1.37.0"), SERVERS).findings
