import hashlib
from pathlib import Path

from lab.artifacts.k3s_lock import images_file
from lab.artifacts.recipe import architecture
from lab.machines.topology import make_nodes
from lab.provision.distribution import Settings
from lab.provision.k3s_config import ca_hash
from lab.provision.k3s_phases import K3s, make_tokens

NODES = make_nodes(6, 3)
SETTINGS = Settings("lab-demo", "v1.36.3+k3s1", "", "cgroupfs")
CA = "certificate\n"
TOKENS = {"server_token": "s3rver", "agent_token": "ag3nt"}
OUTPUTS = {
    "ca": CA,
    "server_token": f"K10{ca_hash(CA)}::server:s3rver",
    "agent_token": f"K10{ca_hash(CA)}::node:ag3nt",
}


def test_two_tokens_of_256_bits_are_made_and_differ() -> None:
    tokens = make_tokens()

    assert {len(token) for token in tokens.values()} == {64}
    assert len(set(tokens.values()) | set(make_tokens().values())) == 4


def test_all_are_prepared_while_the_first_server_starts() -> None:
    phase = K3s().start_phase(NODES, SETTINGS, secrets=TOKENS, new=NODES)

    assert [(target.name, target.deploys) for target in phase.targets] == [
        ("n1", ("k3s_server",)),
        *((node.name, ("k3s_prepare",)) for node in NODES[1:]),
    ]


def test_only_the_first_server_is_sent_secrets_before_anybody_joins() -> None:
    first, *others = K3s().start_phase(NODES, SETTINGS, secrets=TOKENS, new=NODES).targets

    assert first.data["tokens"] == TOKENS
    assert all(other.data["tokens"] == {} for other in others)


def test_a_cluster_that_is_there_is_only_asked() -> None:
    (first,) = K3s().start_phase(NODES, SETTINGS, secrets=TOKENS, new=()).targets

    assert first.deploys == ()
    assert set(first.read) == {"admin_kubeconfig", "ca", "server_token", "agent_token"}


def test_servers_are_joined_one_a_phase_with_both_tokens_and_the_pinned_ca() -> None:
    (target,) = K3s().join_server_phase(NODES[2], NODES, OUTPUTS).targets

    assert (target.name, target.data["ca_hash"]) == ("n3", ca_hash(CA))
    assert target.data["tokens"] == {k: OUTPUTS[k] for k in ("server_token", "agent_token")}


def test_agents_join_together_and_never_see_the_token_of_servers() -> None:
    targets = K3s().join_phase(NODES[4:], NODES, OUTPUTS).targets

    assert [target.name for target in targets] == ["n5", "n6"]
    assert all(set(target.data["tokens"]) == {"agent_token"} for target in targets)


def test_one_server_keeps_its_data_without_etcd_and_three_with_it() -> None:
    etcd = [
        K3s().start_phase(nodes, SETTINGS, secrets=TOKENS, new=nodes).targets[0].data["etcd"]
        for nodes in (make_nodes(3), NODES)
    ]

    assert etcd == [False, True]


def test_nodes_without_a_release_of_their_own_take_it_from_their_layers() -> None:
    data = K3s().start_phase(NODES, SETTINGS, secrets=TOKENS, new=NODES).targets[0].data

    assert data["images_on_node"] == "/usr/share/lab/k3s"
    assert data["program"] == ""


def test_a_node_takes_the_new_release_from_the_cache_that_it_sees(tmp_path: Path) -> None:
    tree = tmp_path / "k3s-v2/tree"
    for name in ("usr/local/bin/k3s", f"usr/share/lab/k3s/{images_file(architecture())}"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)

    phase = K3s().upgrade_phase(NODES[0], {"k3s": str(tmp_path / "k3s-v2")}, first=True)

    (target,) = phase.targets
    assert target.deploys == ("k3s_upgrade",)
    assert target.data["program_on_node"] == "/var/lib/lab/artifacts/k3s-v2/tree/usr/local/bin/k3s"
    assert target.data["program_sha256"] == hashlib.sha256(b"usr/local/bin/k3s").hexdigest()
    assert "tokens" not in target.data
