import re
import subprocess
from pathlib import Path

import pytest
import yaml

from lab.machines.topology import MAX_NODES, Node, make_nodes, nodes_of
from lab.provision.distribution import Settings
from lab.provision.kubeadm_phases import Kubeadm, ca_hash, make_token
from lab.provision.phases import api_addresses, name_range
from lab.provision.rendering import render_text

NODES = make_nodes(3)
HA = make_nodes(6, servers=3)
SECRETS = {"token": "t"}
SETTINGS = Settings("lab-demo", "v1.36.3", "0123456789ab", "cgroupfs")


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("ca")
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ca"
    files = ["-keyout", directory / "key", "-out", directory / "crt"]
    subprocess.run([*request.split(), *files], check=True, capture_output=True)
    return directory / "crt"


def outputs(ca: Path) -> dict[str, str]:
    return {
        "token": "t",
        "ca": ca.read_text(),
        "kube_proxy_config": "config",
        "pki": "keys",
        "server_address": "10.77.0.11",
    }


def test_a_token_has_the_form_kubeadm_wants() -> None:
    assert re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", make_token())


def test_no_two_tokens_are_alike() -> None:
    assert len({make_token() for _ in range(50)}) == 50


def test_the_ca_is_pinned_by_the_hash_of_its_public_key_as_openssl_makes_it(ca: Path) -> None:
    command = f"openssl x509 -pubkey -noout -in {ca} | openssl pkey -pubin -outform der"
    by_openssl = subprocess.run(
        ["sh", "-c", f"{command} | sha256sum"], check=True, capture_output=True, text=True
    )

    assert ca_hash(ca.read_text()) == by_openssl.stdout.split()[0]


def test_each_node_has_a_route_to_every_other_nodes_pods() -> None:
    phase = Kubeadm().start_phase(NODES, SETTINGS, secrets=SECRETS, new=NODES, server=NODES[0])

    peers = phase.targets[1].data["peers"]
    assert peers[:2] == [
        {"pod_subnet": "10.244.1.0/24", "address": "10.77.0.11"},
        {"pod_subnet": "10.244.3.0/24", "address": "10.77.0.13"},
    ]


def test_a_node_has_routes_to_nodes_that_may_be_added_later() -> None:
    phase = Kubeadm().start_phase(NODES, SETTINGS, secrets=SECRETS, new=NODES, server=NODES[0])

    assert len(phase.targets[1].data["peers"]) == MAX_NODES - 1


def test_only_the_server_gets_the_images_of_the_control_plane() -> None:
    server, *agents = (
        Kubeadm().start_phase(NODES, SETTINGS, secrets=SECRETS, new=NODES, server=NODES[0]).targets
    )

    assert server.data["image_archive"] == "server.tar"
    assert {target.data["image_archive"] for target in agents} == {"agent.tar"}


def test_only_the_server_is_initialised() -> None:
    server, *agents = (
        Kubeadm().start_phase(NODES, SETTINGS, secrets=SECRETS, new=NODES, server=NODES[0]).targets
    )

    assert server.deploys == ("prepare_node", "init_server")
    assert {target.deploys for target in agents} == {("prepare_node",)}


def test_a_server_that_is_there_is_only_asked() -> None:
    server, *agents = (
        Kubeadm()
        .start_phase(NODES, SETTINGS, secrets=SECRETS, new=NODES[2:], server=NODES[0])
        .targets
    )

    assert server.deploys == ()
    assert set(server.read) == {"admin_kubeconfig", "ca", "kube_proxy_config"}
    assert [target.name for target in agents] == ["n3"]


def test_a_single_node_may_run_what_is_scheduled() -> None:
    alone = make_nodes(1)

    phase = Kubeadm().start_phase(alone, SETTINGS, secrets=SECRETS, new=alone, server=alone[0])

    assert phase.targets[0].data["single"]


def test_agents_join_against_the_pinned_ca(ca: Path) -> None:
    phase = Kubeadm().join_phase(NODES[1:], NODES, outputs(ca))

    assert {target.data["ca_hash"] for target in phase.targets} == {ca_hash(ca.read_text())}
    assert phase.title == "joining n2 and n3"


def test_only_a_joining_server_is_given_the_keys_of_the_cluster(ca: Path) -> None:
    server = Kubeadm().join_server_phase(HA[2], HA, outputs(ca)).targets[0]
    agents = Kubeadm().join_phase((HA[1],), HA, outputs(ca)).targets

    assert (server.deploys, server.data["pki"]) == (("join_server",), "keys")
    assert all("pki" not in agent.data for agent in agents)


def test_the_keys_leave_the_first_server_only_for_a_server_that_joins() -> None:
    with_servers = (
        Kubeadm().start_phase(HA, SETTINGS, secrets=SECRETS, new=HA, server=HA[0]).targets[0]
    )
    agent_only = (
        Kubeadm().start_phase(HA, SETTINGS, secrets=SECRETS, new=(HA[1],), server=HA[0]).targets[0]
    )

    assert ("pki" in with_servers.read, "pki" in agent_only.read) == (True, False)


def test_controllers_hold_an_election_only_among_several_servers() -> None:
    alone, many = (
        Kubeadm()
        .start_phase(nodes, SETTINGS, secrets=SECRETS, new=nodes, server=nodes[0])
        .targets[0]
        .data["elects"]
        for nodes in (NODES, HA)
    )

    assert (alone, many) == (False, True)


def test_a_server_asks_itself_first_and_an_agent_the_first_server() -> None:
    assert api_addresses(HA[2], HA) == ["10.77.0.13", "10.77.0.11", "10.77.0.14"]
    assert api_addresses(HA[1], HA) == ["10.77.0.11", "10.77.0.13", "10.77.0.14"]


def test_debian_is_the_topmost_layer_so_that_it_decides_owners() -> None:
    trees = {name: Path(name) for name in ("noderoot", "kubernetes", "containerd", "cni", "images")}

    assert Kubeadm().layers(trees)[0] == Path("noderoot")


def test_one_node_is_a_range_of_its_own() -> None:
    assert (name_range(NODES[:1]), name_range(NODES)) == ("n1", "n1 to n3")


def test_nodes_with_a_gap_are_named_one_by_one() -> None:
    assert name_range(nodes_of((2, 5, 6), ())) == "n2, n5 and n6"


def test_machines_that_lab_did_not_name_are_named_one_by_one() -> None:
    web, data, spare = (Node(n, called=name) for n, name in enumerate(("web", "data", "spare"), 1))

    assert name_range((web, data, spare)) == "web, data and spare"


@pytest.mark.parametrize("name", ["n1", "10", "1e3", "no", "null", "192.0.2.1"])
def test_whatever_names_a_node_is_a_text_to_kubeadm(ca: Path, name: str) -> None:
    first, other = Node(1, is_server=True, called=name), Node(2, called=name)
    made = Kubeadm().start_phase(
        (first, other), SETTINGS, secrets=SECRETS, new=(first, other), server=first
    )
    joined = Kubeadm().join_phase((other,), (first, other), outputs(ca))

    for verb, phase in (("init", made), ("join", joined)):
        text = render_text(f"kubeadm-{verb}.yaml.j2", phase.targets[0].data | {"ignored": ["Swap"]})
        assert next(yaml.safe_load_all(text))["nodeRegistration"]["name"] == name


def test_a_first_server_that_was_lost_joins_through_another_that_gives_it_the_keys(
    ca: Path,
) -> None:
    asked, lost = (
        Kubeadm().start_phase(HA, SETTINGS, secrets=SECRETS, new=HA[:1], server=HA[2]).targets
    )
    through = outputs(ca) | {"server_address": HA[2].address}
    joining = Kubeadm().join_server_phase(HA[0], HA, through).targets[0]

    assert (asked.name, asked.deploys, "pki" in asked.read) == ("n3", (), True)
    assert (lost.name, lost.deploys) == ("n1", ("prepare_node",))
    assert joining.data["server_address"] == "10.77.0.13"


@pytest.mark.parametrize(("number", "taints"), [(0, None), (2, [])])
def test_the_home_is_kept_free_also_when_it_joins_and_other_servers_are_not(
    ca: Path, number: int, taints: object
) -> None:
    target = Kubeadm().join_server_phase(HA[number], HA, outputs(ca)).targets[0]

    text = render_text("kubeadm-join.yaml.j2", target.data | {"ignored": ["Swap"]})

    assert next(yaml.safe_load_all(text))["nodeRegistration"].get("taints") == taints
