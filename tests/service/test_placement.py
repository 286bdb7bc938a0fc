import pytest

from lab.machines.topology import make_nodes
from lab.service.names import APP, DATA, SERVER
from lab.service.placement import place


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
