"""What is written on a Node: labels and taints, without losing those of others."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from lab.errors import RequestRefused
from lab.kube.client import Client
from lab.kube.nodes import CONTROL_PLANE, mark, parse

FOREIGN = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}


@dataclass(slots=True)
class Api:
    """One Node; the first `conflicts` patches come too late."""

    taints: list[dict[str, str]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    conflicts: int = 0
    patches: list[dict[str, Any]] = field(default_factory=list)

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/api/v1/nodes/n1"
        metadata = {"labels": self.labels, "resourceVersion": "7"}
        return {"metadata": metadata, "spec": {"taints": self.taints}}

    def merge(self, path: str, body: dict[str, Any]) -> None:
        assert body["metadata"]["resourceVersion"] == "7"
        self.patches.append(body)
        if len(self.patches) <= self.conflicts:
            raise RequestRefused("the object has been modified", status=409)
        self.taints = body["spec"]["taints"]


def put(api: Api, *, labels: dict[str, str | None] | None = None, **taints: bool) -> None:
    mark(cast(Client, api), "n1", labels=labels or {}, taints=taints)


def test_a_taint_comes_and_goes_and_those_of_others_stay() -> None:
    api = Api([FOREIGN])

    put(api, **{CONTROL_PLANE: True})
    assert api.taints == [FOREIGN, {"key": CONTROL_PLANE, "effect": "NoSchedule"}]
    put(api, **{CONTROL_PLANE: False})
    assert api.taints == [FOREIGN]


def test_what_is_so_already_is_not_written() -> None:
    api = Api([{"key": CONTROL_PLANE, "effect": "NoSchedule"}], {"ours": ""})

    put(api, labels={"ours": "", "gone": None}, **{CONTROL_PLANE: True})

    assert api.patches == []


def test_a_label_that_no_longer_counts_is_taken_away() -> None:
    api = Api(labels={"gone": ""})

    put(api, labels={"gone": None})

    assert api.patches[0]["metadata"]["labels"] == {"gone": None}


def test_a_node_that_was_changed_meanwhile_is_read_again() -> None:
    api = Api(conflicts=2)

    put(api, **{CONTROL_PLANE: True})

    assert len(api.patches) == 3


def test_a_node_that_never_keeps_still_is_told() -> None:
    with pytest.raises(RequestRefused, match="modified"):
        put(Api(conflicts=99), **{CONTROL_PLANE: True})


@pytest.mark.parametrize(
    ("conditions", "votes"),
    [
        ([], None),
        ([{"type": "EtcdIsVoter", "status": "True"}], True),
        ([{"type": "EtcdIsVoter", "status": "False"}], False),
    ],
)
def test_whether_a_server_votes_is_read_where_its_node_says_it(
    conditions: list[dict[str, str]], votes: bool | None
) -> None:
    item = {"metadata": {"name": "n1"}, "spec": {}, "status": {"conditions": conditions}}

    assert parse(item).votes is votes
