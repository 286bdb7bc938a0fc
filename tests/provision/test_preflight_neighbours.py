"""Do hosts reach each other? Both ways: all is well, and each thing that can be wrong."""

from collections.abc import Mapping

import pytest

from lab.errors import HostUnfit
from lab.provision.preflight import (
    Facts,
    Finding,
    Level,
    Peer,
    Wanted,
    judge_neighbours,
    neighbour_script,
    read_facts,
    require_fit,
)
from tests.provision.fit_hosts import K3S, KUBEADM, NOW

PEERS = (Peer("n1", "10.0.0.1"), Peer("n2", "10.0.0.2"), Peer("n3", "10.0.0.3", 2222))
DIRECT = "{} dev eth0 src 10.0.0.1 uid 0 cache"
BASH = "bash: connect: {0} bash: line 1: /dev/tcp/10.0.0.2/22: {0}"


def seen(
    own: str = "10.0.0.1",
    *,
    ways: Mapping[str, str] | None = None,
    said: Mapping[str, str] | None = None,
    more: str = "end=1",
) -> Facts:
    """What a host says; what is not given is as it should be."""
    lines = ["address=lo 127.0.0.1/8", f"address=eth0 {own}/24"]
    for peer in PEERS:
        way = (ways or {}).get(peer.node, DIRECT).format(peer.address)
        came = (said or {}).get(peer.node, "connected")
        lines += [f"way={peer.address} {way}", f"peer={peer.address} {peer.port} {came}"]
    return read_facts("\n".join((*lines, more)), began=NOW, ended=NOW)


def judged(facts: Facts, wanted: Wanted = KUBEADM) -> list[Finding]:
    return judge_neighbours({"n1": facts}, PEERS, wanted)


@pytest.mark.parametrize("wanted", [K3S, KUBEADM])
def test_nothing_is_wrong_with_hosts_of_one_network(wanted: Wanted) -> None:
    found = {peer.node: seen(peer.address) for peer in PEERS}

    assert judge_neighbours(found, PEERS, wanted) == []


@pytest.mark.parametrize(
    "said",
    [
        "connected",
        BASH.format("Connection refused"),
        "[Errno 111] Connection refused",
        "* Trying 10.0.0.2:22... * Connected to 10.0.0.2 port 22 * Time-out",
        "* Established connection to 10.0.0.2 * Connection timed out",
    ],
)
def test_a_peer_that_answers_is_reached_whatever_it_answers(said: str) -> None:
    assert judged(seen(said={"n2": said})) == []


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("timed out", "timed out"),
        (BASH.format("No route to host"), "no route to host"),
        (BASH.format("Network is unreachable"), "network is unreachable"),
        ("nc: connect to 10.0.0.2 port 22 (tcp) failed: Operation not permitted", "not permitted"),
        ("* connect to 10.0.0.2 port 22 failed: Connection timed out", "timed out"),
    ],
)
@pytest.mark.parametrize("wanted", [K3S, KUBEADM])
def test_a_peer_that_does_not_answer_is_an_error(said: str, why: str, wanted: Wanted) -> None:
    found = judged(seen(said={"n2": said}), wanted)

    assert [each.level for each in found] == [Level.ERROR]
    assert "it does not reach n2 (10.0.0.2 port 22: " in found[0].what
    assert why in found[0].what
    assert "n3" not in found[0].text()


def test_all_peers_of_one_trouble_are_told_at_once() -> None:
    found = judged(seen(said={"n2": "timed out", "n3": "timed out"}))

    assert [each.what for each in found] == [
        "it does not reach n2 (10.0.0.2 port 22: timed out), n3 (10.0.0.3 port 2222: timed out)"
    ]


def test_a_peer_to_which_there_is_no_route_is_told_once() -> None:
    nowhere = {"n2": "RTNETLINK answers: Network is unreachable"}
    found = judged(seen(ways=nowhere, said={"n2": BASH.format("Network is unreachable")}))

    assert len(found) == 1
    assert "it has no route to n2 (10.0.0.2): RTNETLINK answers" in found[0].what
    assert found[0].remedy == "on n1: ip route get 10.0.0.2"


def test_kubeadm_needs_one_network_and_k3s_does_not() -> None:
    routed = {"n2": "10.0.0.2 via 10.0.0.254 dev eth0 src 10.0.0.1 uid 0 cache"}
    found = judged(seen(ways=routed))

    assert [each.level for each in found] == [Level.ERROR]
    assert "it reaches n2 by 10.0.0.254" in found[0].what
    assert "--distribution k3s" in found[0].remedy
    assert judged(seen(ways=routed), K3S) == []


@pytest.mark.parametrize("wanted", [K3S, KUBEADM])
def test_an_address_that_is_a_routers_is_an_error(wanted: Wanted) -> None:
    found = judged(seen("192.168.1.7"), wanted)

    assert [each.level for each in found] == [Level.ERROR]
    assert "10.0.0.1 is on none of its links; it has 192.168.1.7" in found[0].what
    assert "`address` of n1" in found[0].remedy


def test_an_address_that_several_hosts_have_leads_to_nobody_else() -> None:
    found = judged(seen(ways={"n2": "local {} dev lo src 10.0.0.2"}))

    assert len(found) == 1
    assert "10.0.0.2, the address of n2, is one of its own, too" in found[0].what


@pytest.mark.parametrize("said", ["untested: no bash, python3, curl or nc", "nc: invalid option"])
def test_what_could_not_be_tried_is_a_warning(said: str) -> None:
    found = judged(seen(ways={"n2": "untested: no ip"}, said={"n2": said, "n3": said}))

    assert [each.level for each in found] == [Level.WARNING]
    assert said in found[0].what
    require_fit(found)


def test_one_host_has_no_neighbours_and_may_be_known_by_loopback() -> None:
    alone = read_facts("address=lo 127.0.0.1/8\nend=1", began=NOW, ended=NOW)

    assert judge_neighbours({"n1": alone}, [Peer("n1", "127.0.0.1")], KUBEADM) == []


def test_ipv6_is_compared_as_addresses_and_not_as_text() -> None:
    lines = "address=eth0 fd00::1/64\nway=fd00::2 fd00::2 via fe80::1 dev eth0\nend=1"
    facts = read_facts(lines, began=NOW, ended=NOW)
    peers = [Peer("n1", "FD00:0::1"), Peer("n2", "fd00:0:0::2")]

    found = judge_neighbours({"n1": facts}, peers, KUBEADM)

    assert [each.what.split(";")[0] for each in found] == ["it reaches n2 by fe80::1"]


def test_hosts_of_which_nothing_is_known_and_looks_cut_short_are_told_with_the_rest() -> None:
    class Gone:
        kind, said, hint = "unreachable", "Connection timed out", "ssh n2 true"

    found = judge_neighbours(
        {"n1": seen(said={"n3": "timed out"}), "n2": Gone(), "n3": seen("10.0.0.3", more="")},
        PEERS,
        KUBEADM,
    )

    assert [each.node for each in found] == ["n1", "n2", "n3"]
    with pytest.raises(HostUnfit) as caught:
        require_fit(found)
    assert caught.value.message.startswith("3 of the hosts")


@pytest.mark.parametrize(
    "lines", ["way=\npeer=\naddress=", "way=x y\npeer=10.0.0.2", "peer=10.0.0.2 22"]
)
def test_words_that_make_no_sense_are_no_finding_and_no_crash(lines: str) -> None:
    assert judged(read_facts(f"{lines}\nend=1", began=NOW, ended=NOW)) == []


def test_only_addresses_get_into_the_script() -> None:
    odd = [Peer("n1", "$(reboot)"), Peer("n2", ""), Peer("n3", "fd00::3", 2222)]

    assert neighbour_script(odd).startswith("peers=fd00::3,2222\n")
    assert neighbour_script([*PEERS[:2]]).startswith("peers='10.0.0.1,22 10.0.0.2,22'\n")
