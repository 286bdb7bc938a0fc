import ipaddress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.machines.inventory import Group, Host, find_entries
from lab.machines.inventory_checks import check_entries, check_hosts

PODS = ipaddress.ip_network("10.42.0.0/16")
SERVICES = ipaddress.ip_network("10.43.0.0/16")


def group(*names: str, **shared: Any) -> Group:
    return Group(tuple((name, {}) for name in names), shared)


def problems_of(groups: dict[str, Group]) -> tuple[str, ...]:
    return check_entries(find_entries(groups), groups)


def with_data(**data: Any) -> dict[str, Group]:
    return {"server": Group((("k1", data),))}


def host(name: str = "k1", address: str = "192.0.2.11", **changes: Any) -> Host:
    values: dict[str, Any] = {
        "user": "root",
        "port": 22,
        "key": None,
        "known_hosts": None,
        "is_server": name == "k1",
        "sudo": False,
        "data": {},
        "hostname": address,
        "known_as": address,
    }
    return Host(name, address, **{**values, **changes})


def problems(*hosts: Host, **ranges: Any) -> tuple[str, ...]:
    return check_hosts(hosts, **{"pods": PODS, "services": SERVICES, **ranges})


@pytest.mark.parametrize("server", ["server", "servers"])
@pytest.mark.parametrize("agent", ["agent", "agents"])
def test_groups_are_found_by_either_name_and_servers_come_first(server: str, agent: str) -> None:
    entries = find_entries({agent: group("k2", "k3"), server: group("k1"), "db": group("d1")})

    assert [(entry.name, entry.is_server) for entry in entries] == [
        ("k1", True),
        ("k2", False),
        ("k3", False),
    ]


def test_a_server_alone_is_all_that_is_needed() -> None:
    assert problems_of({"server": group("k1")}) == ()


def test_data_of_a_host_lies_over_that_of_its_groups_and_of_all() -> None:
    entries = find_entries(
        {
            "all": Group((), {"ssh_user": "a", "ssh_port": 1, "ssh_key": "k"}),
            "server": Group((("k1", {"ssh_user": "c"}),), {"ssh_user": "b", "ssh_port": 2}),
            "rack": Group((("k1", {}),), {"rack": 7}),
        }
    )

    assert entries[0].data == {"ssh_user": "c", "ssh_port": 2, "ssh_key": "k", "rack": 7}


def test_no_server_is_told_with_the_groups_that_are_there() -> None:
    assert problems_of({"sever": group("k1"), "agents": group("k2")}) == (
        "there is no server: no host is in a group `server` or `servers`; it has sever, agents",
    )


def test_an_even_number_of_servers_is_told_with_the_reason() -> None:
    (problem,) = problems_of({"servers": group("k1", "k2")})

    assert problem.startswith("there are 2 servers")
    assert "even number outlives no more losses" in problem


@pytest.mark.parametrize("count", [1, 3])
def test_one_and_three_servers_are_a_cluster(count: int) -> None:
    assert problems_of({"servers": group(*(f"k{n}" for n in range(count)))}) == ()


def test_five_servers_are_refused_without_talk_of_even_numbers() -> None:
    (problem,) = problems_of({"servers": group("k1", "k2", "k3", "k4", "k5")})

    assert problem == "there are 5 servers, but a cluster has 1 or 3"


@pytest.mark.parametrize(("agents", "told"), [(11, 0), (12, 1)])
def test_twelve_hosts_are_the_most(agents: int, told: int) -> None:
    names = [f"a{n}" for n in range(agents)]

    assert len(problems_of({"server": group("k1"), "agents": group(*names)})) == told


@pytest.mark.parametrize(
    "name", ["K1", "k_1", "-k", "k-", "", "k..1", "a" * 64, "ä", "k 1", "k1\n"]
)
def test_a_name_that_no_node_can_have_is_told(name: str) -> None:
    (problem,) = problems_of({"server": group(name)})

    assert "cannot name a node" in problem
    assert repr(name) in problem


@pytest.mark.parametrize("name", ["k1", "1", "web-1.example.org", "a" * 63])
def test_dns_names_can_name_a_node(name: str) -> None:
    assert problems_of({"server": group(name)}) == ()


def test_a_name_that_is_listed_twice_is_told_once() -> None:
    groups = {"server": group("k1"), "agents": group("k2", "k2")}

    assert problems_of(groups) == ("k2: it is listed 2 times",)


def test_a_host_cannot_be_server_and_agent() -> None:
    (problem,) = problems_of({"server": group("k1"), "agents": group("k1")})

    assert problem.startswith("k1: it is both server and agent")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"ssh_hostname": 7}, "ssh_hostname is of type int, not a text"),
        ({"ssh_key": ["k"]}, "ssh_key is of type list"),
        ({"ssh_hostname": "-oProxyCommand=x"}, "neither a name nor an address"),
        ({"ssh_hostname": "a b"}, "neither a name nor an address"),
        ({"ssh_user": "-l"}, "ssh_user '-l' cannot be a user"),
        ({"ssh_user": "a\nb"}, "cannot be a user"),
        ({"ssh_port": 0}, "ssh_port 0 is not a number from 1 to 65535"),
        ({"ssh_port": 65536}, "ssh_port 65536"),
        ({"ssh_port": True}, "ssh_port True"),
        ({"ssh_port": "ssh"}, "ssh_port 'ssh'"),
        ({"_sudo": "yes"}, "_sudo is neither True nor False"),
        ({"ssh_strict_host_key_checking": "no"}, "--accept-new-host-keys"),
        ({"ssh_password": "x"}, "lab logs in with keys only"),
        ({"_sudo_password": "x"}, "sudo without a password"),
        ({"_sudo_user": "x"}, "lab becomes root"),
    ],
)
def test_data_that_cannot_be_used_is_told_with_its_key(data: dict[str, Any], said: str) -> None:
    (problem,) = problems_of(with_data(**data))

    assert problem.startswith("k1: ")
    assert said in problem


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("ssh_hostnam", "ssh_hostname"),
        ("ssh_host_name", "ssh_hostname"),
        ("ssh_usr", "ssh_user"),
        ("ssh_known_host_file", "ssh_known_hosts_file"),
    ],
)
def test_a_slip_in_a_key_is_told_with_the_key_that_is_meant(key: str, meant: str) -> None:
    assert problems_of(with_data(**{key: "x"})) == (f"k1: there is no {key}; is {meant} meant?",)


@pytest.mark.parametrize(
    "key",
    [
        # Of pyinfra's connector (ConnectorData in its connectors/ssh.py) ...
        "ssh_allow_agent",
        "ssh_look_for_keys",
        "ssh_forward_agent",
        "ssh_paramiko_connect_kwargs",
        "ssh_connect_retries",
        "ssh_connect_retry_min_delay",
        "ssh_connect_retry_max_delay",
        "ssh_file_transfer_protocol",
        # ... and what somebody's own deploys may read.
        "addresses",
        "rack",
    ],
)
def test_data_that_is_for_others_is_no_slip(key: str) -> None:
    assert problems_of(with_data(**{key: "x"})) == ()


def test_what_could_be_a_password_is_never_repeated() -> None:
    said = "\n".join(problems_of(with_data(ssh_password="S3CRET", _sudo_password="S3CRET")))

    assert said
    assert "S3CRET" not in said


def test_all_that_pyinfra_spells_and_lab_uses_is_taken() -> None:
    data = {
        "ssh_hostname": "fe80::1%eth0",
        "ssh_user": "admin",
        "ssh_port": "2222",
        "ssh_key": "~/.ssh/id",
        "ssh_known_hosts_file": "known_hosts",
        "ssh_config_file": "config",
        "ssh_strict_host_key_checking": "yes",
        "_sudo": True,
        "address": "192.0.2.1",
        "rack": {"row": 3},
    }

    assert problems_of(with_data(**data)) == ()


def test_every_problem_of_a_list_is_told_together() -> None:
    groups = {"servers": group("K1", "k2"), "agents": group("k3", "k3", ssh_port=0)}

    assert len(problems_of(groups)) == 4


# How fast examples are made is the host's affair.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["ssh_hostname", "ssh_port", "ssh_user", "_sudo", "address"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
    )
)
def test_whatever_the_data_holds_it_is_judged_and_never_fails(data: dict[str, Any]) -> None:
    for entry in find_entries(with_data(**data)):
        if not problems_of(with_data(**data)):
            assert isinstance(entry.hostname, str)
            assert entry.port is None or 1 <= entry.port <= 65535


def test_good_hosts_have_no_problems() -> None:
    assert problems(host(), host("k2", "192.0.2.12", user="admin", sudo=True)) == ()


def test_a_user_who_is_not_root_needs_sudo() -> None:
    (problem,) = problems(host(user="admin"))

    assert problem.startswith("k1: user 'admin' is not root")


@pytest.mark.parametrize(("address", "what"), [("10.42.3.1", "pods"), ("10.43.0.9", "services")])
def test_an_address_in_a_range_of_the_cluster_is_told_with_the_range(
    address: str, what: str
) -> None:
    (problem,) = problems(host(address=address))

    assert f"{address} is in the range of {what}, 10.4" in problem


def test_an_address_beside_the_ranges_is_fine() -> None:
    assert problems(host(address="10.41.255.255"), host("k2", "10.44.0.0")) == ()


def test_two_hosts_with_one_address_are_told_once() -> None:
    assert problems(host(), host("k2")) == ("k1 and k2 have the same address, 192.0.2.11",)


def test_the_same_address_in_two_spellings_is_the_same() -> None:
    six = {
        "pods": ipaddress.ip_network("fd00:1::/64"),
        "services": ipaddress.ip_network("fd01::/64"),
    }
    (problem,) = problems(host(address="2001:db8::1"), host("k2", "2001:db8:0::1"), **six)

    assert "same address" in problem


def test_two_names_of_one_door_are_told() -> None:
    first = host(hostname="gate", port=2222)
    (problem,) = problems(first, host("k2", "192.0.2.12", hostname="GATE", port=2222))

    assert problem == "k1 and k2 are the same machine to ssh, gate port 2222"
    assert problems(first, host("k2", "192.0.2.12", hostname="gate", port=2223)) == ()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.1.1"])
def test_loopback_is_for_one_node_alone(address: str) -> None:
    (problem,) = problems(host(address=address, hostname="k1"), host("k2", "192.0.2.12"))

    assert problem.startswith(f"k1: k1 ({address}) is loopback")
    assert problems(host(address=address)) == ()


@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1"])
def test_what_is_no_address_of_a_machine_is_told(address: str) -> None:
    (problem,) = problems(host(address=address))

    assert problem == f"k1: {address} is the address of no machine"


def test_an_address_of_another_family_than_the_pods_is_told() -> None:
    (problem,) = problems(host(address="2001:db8::1"))

    assert "not of the same family" in problem


def test_ranges_that_overlap_are_told_also_those_of_the_nodes_networks() -> None:
    nets = (ipaddress.ip_network("10.40.0.0/14"), ipaddress.ip_network("192.0.2.0/24"))

    assert problems(host(), pods=PODS, services=PODS) == (
        "the ranges of pods, 10.42.0.0/16, and services, 10.42.0.0/16, overlap",
    )
    assert problems(host(), node_nets=nets) == (
        "the nodes' network 10.40.0.0/14 overlaps the range of pods, 10.42.0.0/16",
        "the nodes' network 10.40.0.0/14 overlaps the range of services, 10.43.0.0/16",
    )


def test_every_problem_of_the_hosts_is_told_together() -> None:
    found = problems(host(address="10.42.0.1", user="a"), host("k2", "10.42.0.1", hostname="x"))

    assert len(found) == 4


def test_a_host_carries_paths_or_none() -> None:
    assert host().key is None
    assert host(key=Path("/k")).key == Path("/k")
