"""A cut in a real namespace with a real bridge: what passes, what does not, and what is left.

Three namespaces stand for nodes; nothing of Kubernetes is needed for a frame.
"""

import os
import socket
from collections.abc import Iterator

import pytest

from lab.errors import CommandFailed, MachineError
from lab.machines import isolation, netns, network
from lab.machines.commands import run
from lab.machines.topology import Node, make_nodes

pytestmark = pytest.mark.e2e

LAB = "".join("abcdefghij"[int(digit)] for digit in f"{os.getpid() % 10_000:04}")
NODES = make_nodes(3)
FIRST, SECOND, THIRD = NODES
PORT, OTHER_PORT = 5432, 8080


def name_of(node: Node) -> str:
    return f"labtest{LAB}{node.name}"


@pytest.fixture
def lab_id() -> Iterator[str]:
    network.create(LAB)
    try:
        for node in NODES:
            plug_in(node)
        yield LAB
    finally:
        for node in NODES:
            netns.destroy(name_of(node))
        network.destroy(LAB)


def plug_in(node: Node) -> None:
    """Make a namespace that is linked to the bridge as a node is."""
    netns.create(name_of(node))
    inside, link = network.name(LAB), network.link(LAB, node.name)
    run(netns.command(inside, ["ip", "link", "add", link, "type", "veth", "peer", "name", "host0"]))
    run(netns.command(inside, ["ip", "link", "set", "host0", "netns", name_of(node)]))
    run(netns.command(inside, ["ip", "link", "set", link, "master", inside, "up"]))
    run(
        netns.command(name_of(node), ["ip", "address", "add", f"{node.address}/24", "dev", "host0"])
    )
    run(netns.command(name_of(node), ["ip", "link", "set", "host0", "up"]))


def listen(node: Node, port: int = PORT) -> socket.socket:
    with netns.enter(netns.path(name_of(node))):
        server = socket.create_server((node.address, port))
    server.settimeout(5)
    return server


def reaches(who: Node, whom: Node, port: int = PORT, *, within_s: float = 0.5) -> bool:
    try:
        netns.connect(netns.path(name_of(who)), (whom.address, port), within_s).close()
    except OSError:
        return False
    return True


def test_a_node_that_is_cut_off_is_reached_by_nobody_and_reaches_nobody(lab_id: str) -> None:
    with listen(SECOND), listen(THIRD):
        assert reaches(FIRST, THIRD, within_s=5)
        assert reaches(THIRD, SECOND, within_s=5)

        isolation.cut_node(lab_id, THIRD)

        assert not reaches(FIRST, THIRD)
        assert not reaches(THIRD, SECOND)
        assert reaches(FIRST, SECOND)
        assert isolation.dropped(lab_id, THIRD.name) > 0

        isolation.heal(lab_id, THIRD.name)

        assert reaches(FIRST, THIRD, within_s=5)


def test_the_host_does_not_reach_it_either(lab_id: str) -> None:
    with listen(THIRD):
        inside = netns.path(network.name(lab_id))
        netns.connect(inside, (THIRD.address, PORT), 5).close()

        isolation.cut_node(lab_id, THIRD)

        with pytest.raises(TimeoutError):
            netns.connect(inside, (THIRD.address, PORT), 0.5)


def test_a_connection_that_exists_falls_silent_and_goes_on_afterwards(lab_id: str) -> None:
    with listen(THIRD) as server:
        client = netns.connect(netns.path(name_of(FIRST)), (THIRD.address, PORT), 5)
        with client, server.accept()[0] as accepted:
            isolation.cut_node(lab_id, THIRD)
            client.sendall(b"lost for a while")
            accepted.settimeout(0.5)
            with pytest.raises(TimeoutError):
                accepted.recv(16)

            isolation.heal(lab_id, THIRD.name)

            accepted.settimeout(20)
            assert accepted.recv(16) == b"lost for a while"


def test_a_port_is_cut_between_all_nodes_and_no_other_port_with_it(lab_id: str) -> None:
    with listen(SECOND), listen(SECOND, OTHER_PORT):
        isolation.cut_port(lab_id, "database", PORT)

        assert not reaches(FIRST, SECOND)
        assert not reaches(THIRD, SECOND)
        assert reaches(FIRST, SECOND, OTHER_PORT)
        assert reaches(SECOND, SECOND)

        isolation.heal(lab_id, "database")

        assert reaches(FIRST, SECOND, within_s=5)


def test_the_answers_of_a_port_are_cut_as_well(lab_id: str) -> None:
    with listen(SECOND) as server:
        client = netns.connect(netns.path(name_of(FIRST)), (SECOND.address, PORT), 5)
        with client, server.accept()[0] as accepted:
            isolation.cut_port(lab_id, "database", PORT)
            accepted.sendall(b"an answer")
            client.settimeout(0.5)
            with pytest.raises(TimeoutError):
                client.recv(9)


def test_cuts_are_known_by_name_and_taken_away_one_by_one(lab_id: str) -> None:
    for _ in range(2):
        isolation.cut_node(lab_id, SECOND)
        isolation.cut_port(lab_id, "database", PORT)
    assert isolation.cuts(lab_id) == ("database", "n2")

    isolation.heal(lab_id, "n2")
    isolation.heal(lab_id, "n2")

    assert isolation.cuts(lab_id) == ("database",)
    isolation.heal(lab_id, "database")
    assert isolation.cuts(lab_id) == ()


def test_a_node_without_power_cannot_be_cut_off(lab_id: str) -> None:
    network.drop_link(lab_id, THIRD.name)

    with pytest.raises(MachineError, match="n3 has no link"):
        isolation.cut_node(lab_id, THIRD)


def test_nothing_is_cut_in_another_namespace(lab_id: str) -> None:
    isolation.cut_node(lab_id, SECOND)

    try:
        here = run(["nft", "list", "tables"])
    except CommandFailed:  # the host's own rules may be nobody's to see
        here = ""
    assert isolation.PREFIX not in here
