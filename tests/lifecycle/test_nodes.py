import pytest

from lab.errors import InvalidValue
from lab.lifecycle.nodes import new_nodes
from lab.machines.topology import make_nodes, nodes_of


def test_new_nodes_take_the_lowest_free_numbers() -> None:
    present = nodes_of((1, 2, 4), (1,))

    assert [node.name for node in new_nodes(present, 2, server=False)] == ["n3", "n5"]


@pytest.mark.parametrize("count", [0, -1, 7])
def test_a_number_that_does_not_fit_is_told_with_what_would(count: int) -> None:
    with pytest.raises(InvalidValue, match=f"--count is {count}.*1 to 6 more"):
        new_nodes(make_nodes(6), count, server=False)


def test_a_lost_server_of_three_is_replaced_by_one() -> None:
    present = nodes_of((1, 2, 4, 5), (1, 4))

    assert [(n.name, n.is_server) for n in new_nodes(present, 1, server=True)] == [("n3", True)]


def test_a_fourth_server_is_refused() -> None:
    with pytest.raises(InvalidValue, match="--servers is 4"):
        new_nodes(make_nodes(6, 3), 1, server=True)


def test_a_lab_of_one_server_gets_no_second() -> None:
    with pytest.raises(InvalidValue, match="hold no election"):
        new_nodes(make_nodes(6), 1, server=True)
