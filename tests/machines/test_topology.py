import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import InvalidValue, NoSuchNode
from lab.machines import network
from lab.machines.topology import (
    MAX_NODES,
    check_lab_name,
    find_node,
    home,
    make_nodes,
    nodes_of,
    server_numbers,
)


def test_six_nodes_have_names_and_addresses_that_show_their_number() -> None:
    nodes = make_nodes(6)

    assert [node.name for node in nodes] == ["n1", "n2", "n3", "n4", "n5", "n6"]
    assert nodes[2].address == "10.77.0.13"
    assert nodes[2].pod_subnet == "10.244.3.0/24"


def test_only_the_first_node_is_a_server() -> None:
    assert [node.name for node in make_nodes(6) if node.is_server] == ["n1"]


@pytest.mark.parametrize("count", [0, -1, MAX_NODES + 1])
def test_an_impossible_number_of_nodes_is_refused_with_its_value(count: int) -> None:
    with pytest.raises(InvalidValue, match=f"--nodes is {count}"):
        make_nodes(count)


def test_an_unknown_node_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NoSuchNode, match=r"'n9'.*n1, n2, n3"):
        find_node(make_nodes(3), "n9")


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a" * 25, "a b", "../up", "a.b", "ä"])
def test_what_is_no_dns_label_cannot_name_a_lab(name: str) -> None:
    with pytest.raises(InvalidValue):
        check_lab_name(name)


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?", fullmatch=True))
def test_a_dns_label_can_name_a_lab(name: str) -> None:
    assert check_lab_name(name) == name


def test_a_link_of_the_last_node_fits_into_fifteen_characters() -> None:
    last = make_nodes(MAX_NODES)[-1]

    assert len(network.link("abcd", last.name)) <= 15
    assert len(network.name("abcd")) <= 15


@pytest.mark.parametrize(("count", "numbers"), [(3, (1, 2, 3)), (4, (1, 3, 4)), (6, (1, 3, 4))])
def test_three_servers_leave_the_node_of_the_data_alone_where_they_can(
    count: int, numbers: tuple[int, ...]
) -> None:
    assert server_numbers(count, 3) == numbers


@pytest.mark.parametrize("servers", [0, 2, 4, 5])
def test_a_number_of_servers_that_helps_nobody_is_refused(servers: int) -> None:
    with pytest.raises(InvalidValue, match=f"--servers is {servers}"):
        make_nodes(6, servers)


def test_more_servers_than_nodes_are_refused() -> None:
    with pytest.raises(InvalidValue, match="--servers is 3, but --nodes is 2"):
        make_nodes(2, 3)


def test_the_home_is_the_first_server_then_the_next_and_again_the_first() -> None:
    assert home(make_nodes(6, 3)).name == "n1"
    assert home(nodes_of((2, 3, 4, 5, 6), (3, 4))).name == "n3"
    assert home(nodes_of((1, 2, 3, 4), (1, 3, 4))).name == "n1"


def test_the_node_with_the_data_is_home_only_when_no_other_server_is_left() -> None:
    assert home(nodes_of((2, 3), (2, 3))).name == "n3"
    assert home(nodes_of((2, 4), (2,))).name == "n2"
