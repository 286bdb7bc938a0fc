from typing import Any, cast

import pytest

from lab.errors import NotReady, RequestRefused
from lab.kube.client import Client
from lab.machines.topology import make_nodes, nodes_of
from lab.service.names import APP, DATA, SERVER
from lab.service.placement import bring_home, label_nodes, place, require_home


def roles(count: int) -> list[tuple[str, ...]]:
    return [tuple(label.name for label in labels) for labels in place(make_nodes(count)).values()]


def test_six_nodes_are_a_server_one_with_data_and_four_for_the_service() -> None:
    assert roles(6) == [("server",), ("data",), ("app",), ("app",), ("app",), ("app",)]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, [("server", "data", "app")]),
        (2, [("server",), ("data", "app")]),
        (3, [("server",), ("data",), ("app",)]),
    ],
)
def test_with_fewer_nodes_the_roles_are_shared(count: int, expected: list[tuple[str, ...]]) -> None:
    assert roles(count) == expected


@pytest.mark.parametrize("count", range(1, 13))
def test_every_role_has_a_node_however_many_there_are(count: int) -> None:
    given = {label for labels in place(make_nodes(count)).values() for label in labels}

    assert given == {SERVER, DATA, APP}


def test_without_the_first_server_the_next_is_home_and_data_stay_where_they_are() -> None:
    lost = place(nodes_of((2, 3, 4, 5), (3, 4)))

    assert {node.name: [label.name for label in labels] for node, labels in lost.items()} == {
        "n2": ["data"],
        "n3": ["server"],
        "n4": ["app"],
        "n5": ["app"],
    }


def test_data_stay_on_n2_also_where_it_is_a_server() -> None:
    lost = place(nodes_of((2, 3), (2, 3)))

    assert {node.name: labels for node, labels in lost.items()} == {
        "n2": (DATA, APP),
        "n3": (SERVER,),
    }


class Api:
    """A cluster of nodes that say which labels and taints they got."""

    def __init__(self, **pods: str) -> None:
        self.patches: dict[str, Any] = {}
        self.pods = pods

    def get(self, path: str) -> dict[str, Any]:
        name = path.rpartition("/")[2]
        if "/pods/" in path and name not in self.pods:
            raise RequestRefused(f"no {name}", status=404)
        spec = {"nodeName": self.pods.get(name, ""), "taints": [{"key": DATA.key, **NO_SCHEDULE}]}
        labels = {DATA.key: "", APP.key: ""}
        return {"metadata": {"labels": labels, "resourceVersion": "1"}, "spec": spec}

    def merge(self, path: str, body: dict[str, Any]) -> None:
        self.patches[path.rpartition("/")[2]] = body

    def delete(self, path: str) -> None:
        self.pods.pop(path.rpartition("/")[2])


NO_SCHEDULE = {"effect": "NoSchedule"}


def test_a_node_loses_the_labels_and_the_taint_of_what_it_was_there_for() -> None:
    api = Api()

    label_nodes(cast(Client, api), {make_nodes(1)[0]: (SERVER,)})

    assert api.patches["n1"]["metadata"]["labels"] == {
        SERVER.key: "",
        DATA.key: None,
        APP.key: None,
    }
    assert api.patches["n1"]["spec"]["taints"] == []


@pytest.mark.parametrize(
    ("where", "stays"), [({"observer-0": "n1"}, True), ({"observer-0": "n3"}, False), ({}, False)]
)
def test_the_observer_is_made_anew_where_it_does_not_run_at_home(
    where: dict[str, str], stays: bool
) -> None:
    api = Api(**where)

    bring_home(cast(Client, api), "observer-0", make_nodes(1)[0])

    assert ("observer-0" in api.pods) is stays


def test_a_scenario_is_not_played_where_a_fault_could_hit_the_observer() -> None:
    api, own = cast(Client, Api(**{"observer-0": "n3"})), make_nodes(1)[0]

    with pytest.raises(NotReady, match="observer-0 runs on n3, and its home is n1 now"):
        require_home(api, "observer-0", own)
    require_home(cast(Client, Api(**{"observer-0": "n1"})), "observer-0", own)
