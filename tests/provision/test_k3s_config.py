from dataclasses import replace

import pytest
import yaml

from lab.errors import InvalidValue, ProvisionFailed
from lab.provision.k3s_config import (
    Cluster,
    Place,
    ca_hash,
    check,
    check_pinned,
    check_token,
    render_config,
    render_unit,
    token_files,
)

CLUSTER = Cluster(kubelet=("fail-swap-on=false",))
FIRST = Place("n1", "10.77.0.11", is_server=True, etcd=True, san=("127.0.0.1",))
SECOND = Place("n3", "10.77.0.13", is_server=True, joins="10.77.0.11", etcd=True)
AGENT = Place("n2", "10.77.0.12", is_server=False, joins="10.77.0.11")
TOKENS = {"server_token": "of-servers", "agent_token": "of-agents"}
CA = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
# The keys whose values must be the same on all servers, docs.k3s.io/cli/server.
CRITICAL = ("cluster-cidr", "service-cidr", "cluster-dns", "flannel-backend", "disable")


def config(place: Place) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(render_config(CLUSTER, place))
    return found


def test_the_first_of_several_servers_founds_the_cluster_and_joins_nobody() -> None:
    assert config(FIRST)["cluster-init"] is True
    assert "server" not in config(FIRST)


def test_a_further_server_joins_and_would_never_found_a_second_cluster() -> None:
    assert config(SECOND)["server"] == "https://10.77.0.11:6443"
    assert "cluster-init" not in config(SECOND)


def test_a_single_server_needs_no_etcd() -> None:
    assert "cluster-init" not in config(Place("n1", "10.77.0.11", is_server=True))


@pytest.mark.parametrize("key", CRITICAL)
def test_all_servers_have_the_same_critical_values(key: str) -> None:
    assert config(FIRST)[key] == config(SECOND)[key]


def test_an_agent_is_told_where_to_join_and_nothing_that_only_servers_know() -> None:
    assert config(AGENT) == {
        "node-name": "n2",
        "node-ip": "10.77.0.12",
        "server": "https://10.77.0.11:6443",
        "token-file": "/etc/rancher/k3s/agent-token",
        "kubelet-arg": ["fail-swap-on=false"],
    }


@pytest.mark.parametrize("place", [FIRST, SECOND, AGENT])
def test_no_token_is_in_the_configuration(place: Place) -> None:
    text = render_config(CLUSTER, place)

    assert not any(token in text for token in TOKENS.values())


def test_the_same_node_is_written_the_same_way_each_time() -> None:
    assert render_config(CLUSTER, FIRST) == render_config(CLUSTER, FIRST)


def test_an_agent_is_given_the_token_of_agents_only() -> None:
    assert token_files(AGENT, TOKENS) == {"/etc/rancher/k3s/agent-token": "of-agents"}
    assert set(token_files(FIRST, TOKENS).values()) == set(TOKENS.values())


@pytest.mark.parametrize(
    ("place", "tokens", "told"),
    [
        (FIRST, {}, "'n1' .*: it has no server_token; it has no agent_token"),
        (FIRST, TOKENS | {"agent_token": " \n"}, "'n1' .*: it has no agent_token$"),
        (AGENT, {"server_token": "of-servers"}, "'n2' .*: it has no agent_token$"),
    ],
)
def test_a_token_that_is_not_there_is_told_before_k3s_makes_one_up(
    place: Place, tokens: dict[str, str], told: str
) -> None:
    with pytest.raises(InvalidValue, match=told):
        token_files(place, tokens)


@pytest.mark.parametrize("pinned", ["", "c" * 63, "no hash at all"])
def test_who_joins_must_know_the_ca(pinned: str) -> None:
    with pytest.raises(InvalidValue, match=f"ca_hash {pinned!r} is not the SHA-256"):
        check_pinned(AGENT, pinned)


def test_who_founds_a_cluster_has_no_ca_to_know_yet() -> None:
    check_pinned(FIRST, "")
    check_pinned(SECOND, "c" * 64)


@pytest.mark.parametrize(("is_server", "start"), [(True, "k3s server"), (False, "k3s agent")])
def test_the_unit_is_upstreams_with_nothing_on_its_command_line(
    is_server: bool, start: str
) -> None:
    lines = render_unit(is_server=is_server).splitlines()

    assert f"ExecStart=/usr/local/bin/{start}" in lines
    for directive in ("Type=notify", "KillMode=process", "Delegate=yes", "TimeoutStartSec=0"):
        assert directive in lines


def test_a_token_that_pins_the_clusters_ca_is_taken() -> None:
    token = f"K10{ca_hash(CA)}::server:secret"

    assert check_token(f"{token}\n", CA) == token


def test_the_hash_is_that_of_the_file_with_its_last_newline() -> None:
    assert ca_hash(CA) == ca_hash(CA.rstrip("\n"))


@pytest.mark.parametrize("token", ["secret", "K10abc", "", "server:secret"])
def test_a_token_that_pins_nothing_is_refused(token: str) -> None:
    with pytest.raises(ProvisionFailed, match="not in the secure form") as caught:
        check_token(token, CA)

    assert "secret" not in str(caught.value)


def test_a_token_for_another_ca_is_refused() -> None:
    with pytest.raises(ProvisionFailed, match="for a CA ") as caught:
        check_token(f"K10{ca_hash('another')}::server:secret", CA)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "Not_A_Label"}, "node_name 'Not_A_Label' is no DNS-1123 name"),
        ({"name": "n1; reboot"}, "is no DNS-1123 name"),
        ({"address": "10.77.0"}, "address '10.77.0' is no IPv4 address"),
        ({"address": "10.42.3.4"}, "address 10.42.3.4 is in the range of pods, 10.42.0.0/16"),
        ({"joins": ""}, "an agent needs server_address"),
        ({"joins": "$(reboot)"}, "is no IPv4 address"),
        ({"joins": "10.77.0.12"}, "server_address 10.77.0.12 is the node itself"),
    ],
)
def test_a_node_that_could_not_work_is_told_before_anything_is_written(
    change: dict[str, str], told: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        render_config(CLUSTER, replace(AGENT, **change))

    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pods": "10.42.0.0/99"}, "pods '10.42.0.0/99' is no IPv4 network"),
        ({"services": "10.42.8.0/24"}, "pods 10.42.0.0/16 and services 10.42.8.0/24 overlap"),
        ({"dns": "10.99.0.10"}, "dns '10.99.0.10' is no address in services 10.43.0.0/16"),
    ],
)
def test_ranges_that_do_not_fit_are_told(change: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        check(replace(CLUSTER, **change), FIRST)

    assert told in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InvalidValue) as caught:
        check(replace(CLUSTER, dns=""), Place("N1", "", is_server=False))

    assert all(word in str(caught.value) for word in ("node_name", "address", "agent", "dns"))
