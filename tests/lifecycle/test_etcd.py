import json

import pytest

from lab.errors import ClusterError, LabError
from lab.lifecycle.etcd import Member, parse, refuse_loss_of_quorum

ANSWER = {
    "members": [
        {"ID": "10276657743932975437", "name": "n1", "peerURLs": ["https://10.77.0.11:2380"]},
        {"ID": "7", "peerURLs": ["https://10.77.0.13:2380"], "isLearner": True},
    ]
}


def member(name: str, *, healthy: bool = True, learner: bool = False) -> Member:
    return Member(name, name, "10.77.0.11", learner=learner, healthy=healthy)


def test_members_are_read_with_their_long_ids_and_addresses() -> None:
    first, second = parse(json.dumps(ANSWER))

    assert (first.id, first.name, first.address) == ("10276657743932975437", "n1", "10.77.0.11")
    assert (second.name, second.learner) == ("", True)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"members": [{}]}'])
def test_an_answer_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ClusterError, match="etcd answered"):
        parse(text)


def test_one_of_three_healthy_servers_may_go() -> None:
    refuse_loss_of_quorum([member("n1"), member("n3"), member("n4")], "n4")


def test_the_one_that_is_dead_may_go() -> None:
    refuse_loss_of_quorum([member("n1"), member("n3", healthy=False), member("n4")], "n3")


def test_a_healthy_one_may_not_go_while_another_is_dead() -> None:
    with pytest.raises(LabError, match=r"without n4.*1 answer \(n3 does not\), and 2 are needed"):
        refuse_loss_of_quorum([member("n1"), member("n3", healthy=False), member("n4")], "n4")


def test_a_learner_does_not_count() -> None:
    with pytest.raises(LabError, match="quorum"):
        refuse_loss_of_quorum([member("n1", healthy=False), member("n3", learner=True)], "n4")


def test_a_member_of_k3s_is_called_as_its_node_and_eight_digits() -> None:
    peers = ["https://10.77.0.13:2380"]
    text = json.dumps({"members": [{"ID": "1", "name": "n3-0a1b2c3d", "peerURLs": peers}]})

    assert [each.name for each in parse(text, suffixed=True)] == ["n3"]
    assert [each.name for each in parse(text)] == ["n3-0a1b2c3d"]
