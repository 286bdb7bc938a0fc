"""What each phase tells the deploys: on sandbox nodes, and on hosts of one's own."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from lab.artifacts.k3s import IMAGES, PROGRAM, K3sChoice
from lab.artifacts.k3s_lock import Lock, binary_file, images_file
from lab.artifacts.k3sprobe import ARCHIVE
from lab.artifacts.recipe import architecture
from lab.errors import HostUnfit, InvalidValue
from lab.lifecycle.versions import is_wanted
from lab.machines.topology import POD_SUBNET, SERVICE_SUBNET, make_nodes
from lab.provision.distribution import Ground, Settings
from lab.provision.k3s_config import Place, ca_hash, render_config
from lab.provision.k3s_phases import HOSTS, SANDBOX, K3s, make_tokens

NODES = make_nodes(6, 3)
GROUND = Ground("abcd demo", {})
SETTINGS = Settings("lab-demo", "v1.36.3+k3s1", "", "cgroupfs")
CA = "certificate\n"
TOKENS = {"server_token": "s3rver", "agent_token": "ag3nt"}
OUTPUTS = {
    "ca": CA,
    "server_address": "10.77.0.11",
    "server_token": f"K10{ca_hash(CA)}::server:s3rver",
    "agent_token": f"K10{ca_hash(CA)}::node:ag3nt",
}


def make_artifacts(directory: Path, arch: str) -> dict[str, str]:
    """Write what the recipes would make, each file with its name as content."""
    for name, path in (
        ("k3s-v2", PROGRAM),
        ("k3s-v2", f"{IMAGES}/{images_file(arch)}"),
        ("k3sprobe-v2", f"{IMAGES}/{ARCHIVE}"),
    ):
        file = directory / name / "tree" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(file.name)
    return {name: str(directory / f"{name}-v2") for name in ("k3s", "k3sprobe")}


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@pytest.fixture
def artifacts(tmp_path: Path) -> dict[str, str]:
    return make_artifacts(tmp_path, architecture())


@pytest.fixture
def k3s(artifacts: dict[str, str]) -> K3s:
    return K3s().bind(artifacts)


def test_two_tokens_of_256_bits_are_made_and_differ() -> None:
    tokens = make_tokens()

    assert {len(token) for token in tokens.values()} == {64}
    assert len(set(tokens.values()) | set(make_tokens().values())) == 4


def test_all_are_prepared_while_the_first_server_starts(k3s: K3s) -> None:
    phase = k3s.start_phase(NODES, SETTINGS, secrets=TOKENS, new=NODES, server=NODES[0])

    assert [(target.name, target.deploys) for target in phase.targets] == [
        ("n1", ("k3s_server",)),
        *((node.name, ("k3s_prepare",)) for node in NODES[1:]),
    ]


def test_only_the_first_server_is_sent_secrets_before_anybody_joins(k3s: K3s) -> None:
    first, *others = k3s.start_phase(
        NODES, SETTINGS, secrets=TOKENS, new=NODES, server=NODES[0]
    ).targets

    assert first.data["tokens"] == TOKENS
    assert all(other.data["tokens"] == {} for other in others)


def test_a_cluster_that_is_there_is_only_asked(k3s: K3s) -> None:
    (first,) = k3s.start_phase(NODES, SETTINGS, secrets=TOKENS, new=(), server=NODES[0]).targets

    assert first.deploys == ()
    assert set(first.read) == {"admin_kubeconfig", "ca", "server_token", "agent_token"}


def test_servers_are_joined_one_a_phase_with_both_tokens_and_the_pinned_ca(k3s: K3s) -> None:
    (target,) = k3s.join_server_phase(NODES[2], NODES, OUTPUTS).targets

    assert (target.name, target.data["ca_hash"]) == ("n3", ca_hash(CA))
    assert target.data["tokens"] == {k: OUTPUTS[k] for k in ("server_token", "agent_token")}


def test_why_a_phase_failed_is_read_as_of_k3s_and_with_the_servers_that_there_are(
    k3s: K3s,
) -> None:
    phases = (
        k3s.start_phase(NODES, SETTINGS, secrets=TOKENS, new=NODES, server=NODES[0]),
        k3s.join_server_phase(NODES[2], NODES, OUTPUTS),
        k3s.join_phase(NODES[4:], NODES, OUTPUTS),
    )

    assert {phase.distribution for phase in phases} == {"k3s"}
    assert {phase.servers for phase in phases} == {("10.77.0.11", "10.77.0.13", "10.77.0.14")}


def test_agents_join_together_and_never_see_the_token_of_servers(k3s: K3s) -> None:
    targets = k3s.join_phase(NODES[4:], NODES, OUTPUTS).targets

    assert [target.name for target in targets] == ["n5", "n6"]
    assert all(set(target.data["tokens"]) == {"agent_token"} for target in targets)


def test_one_server_keeps_its_data_without_etcd_and_three_with_it(k3s: K3s) -> None:
    etcd = [
        k3s.start_phase(nodes, SETTINGS, secrets=TOKENS, new=nodes, server=nodes[0])
        .targets[0]
        .data["etcd"]
        for nodes in (make_nodes(3), NODES)
    ]

    assert etcd == [False, True]


def test_nodes_without_a_release_of_their_own_take_it_from_their_layers(k3s: K3s) -> None:
    data = (
        k3s.start_phase(NODES, SETTINGS, secrets=TOKENS, new=NODES, server=NODES[0]).targets[0].data
    )

    assert data["images_on_node"] == "/usr/share/lab/k3s"
    assert (data["program"], data["images"], data["images_beside"]) == ("", "", [])
    assert data["program_sha256"] == digest("k3s")


def test_nothing_is_installed_before_it_is_known_what_was_built() -> None:
    with pytest.raises(ValueError, match="not bound"):
        K3s().start_phase(NODES, SETTINGS, secrets=TOKENS, new=NODES, server=NODES[0])


def test_a_node_takes_the_new_release_from_the_cache_that_it_sees(
    artifacts: dict[str, str],
) -> None:
    (target,) = K3s().upgrade_phase(NODES[0], artifacts, first=True).targets

    assert target.deploys == ("k3s_upgrade",)
    assert target.data["program_on_node"] == "/var/lib/lab/artifacts/k3s-v2/tree/usr/local/bin/k3s"
    assert target.data["images_on_node"] == "/var/lib/lab/artifacts/k3s-v2/tree/usr/share/lab/k3s"
    assert target.data["program_sha256"] == digest("k3s")
    assert "tokens" not in target.data


def test_an_upgraded_node_gets_the_probes_image_of_the_new_lab_too(
    artifacts: dict[str, str],
) -> None:
    (target,) = K3s().upgrade_phase(NODES[0], artifacts, first=True).targets

    assert target.data["images_beside"] == [
        {
            "name": "lab-probe.tar",
            "sha256": digest("lab-probe.tar"),
            "path": "",
            "on_node": "/var/lib/lab/artifacts/k3sprobe-v2/tree/usr/share/lab/k3s",
        }
    ]


def test_hosts_are_sent_program_and_images_from_the_controller(artifacts: dict[str, str]) -> None:
    ours = K3s().bind(artifacts, GROUND)
    phases = (
        ours.start_phase(NODES, SETTINGS, secrets=TOKENS, new=NODES, server=NODES[0]),
        ours.upgrade_phase(NODES[0], artifacts, first=True),
    )
    for data in (phase.targets[0].data for phase in phases):
        (probe,) = data["images_beside"]

        for path, name in (
            (data["program"], "k3s"),
            (data["images"], data["images_name"]),
            (probe["path"], "lab-probe.tar"),
        ):
            assert Path(path).read_text() == name
        assert [data["images_on_node"], probe["on_node"]] == ["", ""]
        assert not data.get("program_on_node")
    assert all(phase.timeout_s > 1000 for phase in phases)


def test_hosts_are_claimed_before_anything_is_put_on_and_sandbox_nodes_are_not(
    k3s: K3s, artifacts: dict[str, str]
) -> None:
    ours = K3s().bind(artifacts, GROUND)
    phases = [
        each.start_phase(NODES, SETTINGS, secrets=TOKENS, new=NODES[:2], server=NODES[0])
        for each in (ours, k3s)
    ]

    assert [[target.deploys for target in phase.targets] for phase in phases] == [
        [("claim", "k3s_server"), ("claim", "k3s_prepare")],
        [("k3s_server",), ("k3s_prepare",)],
    ]
    assert [target.data.get("owner") for target in phases[0].targets] == ["abcd demo"] * 2
    assert ours.cluster is HOSTS
    assert k3s.cluster is SANDBOX


def test_a_k3s_of_somebody_else_is_taken_over_only_when_told_to(
    artifacts: dict[str, str],
) -> None:
    told = [
        K3s(adopt=adopt).bind(artifacts, GROUND).join_phase(NODES[4:5], NODES, OUTPUTS)
        for adopt in (False, True)
    ]

    assert [phase.targets[0].data["adopt"] for phase in told] == [False, True]


def test_the_script_that_takes_all_off_needs_no_artifact_and_ends_with_the_mark() -> None:
    script = K3s().uninstall_script(owner="abcd demo")

    assert script.count("'abcd demo'") == 2
    assert script.index("/etc/rancher/k3s") < script.index('rm -f "$owner"')


def test_hosts_need_no_node_root_and_a_sandbox_does() -> None:
    names = [recipe.name for recipe in K3s().host_recipes()]

    assert names == ["pause", "k3sprobe", "k3s"]
    assert [recipe.name for recipe in K3s().recipes()] == ["noderoot", *names]


def test_hosts_keep_k3s_own_thresholds_and_have_a_tunnel_between_them() -> None:
    assert HOSTS.flannel == "vxlan"
    assert not [each for each in HOSTS.kubelet if "eviction" in each or "gc" in each]
    assert HOSTS.kube_proxy == ()


@pytest.mark.parametrize("cluster", [SANDBOX, HOSTS])
def test_pods_and_services_have_the_ranges_that_all_of_lab_knows(cluster: object) -> None:
    assert getattr(cluster, "pods", "") == str(POD_SUBNET)
    assert getattr(cluster, "services", "") == str(SERVICE_SUBNET)


@pytest.mark.parametrize(("arch", "program"), [("amd64", "k3s"), ("arm64", "k3s-arm64")])
def test_the_architecture_of_the_nodes_chooses_the_files_of_the_release(
    tmp_path: Path, arch: str, program: str
) -> None:
    ours, artifacts = K3s(architecture=arch), make_artifacts(tmp_path, arch)
    inputs = {recipe.name: recipe.inputs() for recipe in ours.host_recipes()}
    data = ours.bind(artifacts, GROUND).upgrade_phase(NODES[0], artifacts, first=False)

    assert {each["architecture"] for each in inputs.values()} == {arch}
    assert {program, f"k3s-airgap-images-{arch}.tar.zst"} <= inputs["k3s"].keys()
    assert data.targets[0].data["images_name"] == f"k3s-airgap-images-{arch}.tar.zst"


def test_an_architecture_without_a_release_is_told() -> None:
    with pytest.raises(HostUnfit, match="no k3s for 'riscv64': only amd64 and arm64"):
        binary_file("riscv64")


def test_what_is_taken_off_is_known_by_its_hash(k3s: K3s) -> None:
    phase = k3s.uninstall_phase(NODES[:2])

    assert [(each.name, each.deploys) for each in phase.targets] == [
        ("n1", ("k3s_uninstall",)),
        ("n2", ("k3s_uninstall",)),
    ]
    assert phase.targets[0].data == {"program_sha256": digest("k3s")}


def offered(version: str) -> K3s:
    return K3s(K3sChoice(Lock(version, {})))


def wants(present: str, new: K3s) -> bool:
    return is_wanted(present, new.version, name="lab", can=new.upgrades)


@pytest.mark.parametrize("present", ["v1.36.3+k3s1", "v1.35.9+k3s2", "v1.36.4+k3s1"])
def test_a_lab_of_an_older_release_can_be_upgraded(present: str) -> None:
    assert wants(present, offered("v1.36.4+k3s2"))


@pytest.mark.parametrize("present", ["v1.36.5+k3s1", "v1.37.0+k3s1"])
def test_a_step_back_is_refused(present: str) -> None:
    with pytest.raises(InvalidValue, match="cannot go back"):
        wants(present, offered("v1.36.4+k3s1"))


def test_a_minor_version_cannot_be_left_out() -> None:
    with pytest.raises(InvalidValue, match="no minor version may be left out"):
        wants("v1.34.9+k3s1", offered("v1.36.4+k3s1"))


def place_of(data: dict[str, Any]) -> Place:
    """Return what a deploy makes of the data of a server."""
    return Place(
        data["node_name"],
        data["address"],
        is_server=True,
        joins=data["server_address"],
        etcd=data["etcd"],
    )


def test_a_first_server_that_was_lost_joins_through_another_and_founds_no_second_cluster(
    k3s: K3s,
) -> None:
    asked, prepared = k3s.start_phase(
        NODES, SETTINGS, secrets=TOKENS, new=NODES[:1], server=NODES[2]
    ).targets
    through = OUTPUTS | {"server_address": NODES[2].address}
    (joining,) = k3s.join_server_phase(NODES[0], NODES, through).targets
    config = render_config(SANDBOX, place_of(joining.data))

    assert (asked.name, asked.deploys) == ("n3", ())
    assert (prepared.name, prepared.deploys) == ("n1", ("k3s_prepare",))
    assert 'server: "https://10.77.0.13:6443"' in config
    assert "cluster-init" not in config


def test_only_the_server_that_makes_the_cluster_is_told_to(k3s: K3s) -> None:
    first = k3s.start_phase(NODES, SETTINGS, secrets=TOKENS, new=NODES, server=NODES[0]).targets[0]

    assert "cluster-init: true" in render_config(SANDBOX, place_of(first.data))


def test_nodes_are_told_of_the_servers_that_stay_and_of_themselves_not(k3s: K3s) -> None:
    agent, server = k3s.know_phase((NODES[1], NODES[2]), NODES[1:]).targets

    assert agent.data == {"servers": ["10.77.0.13", "10.77.0.14"]}
    assert server.data == {"servers": ["10.77.0.14"]}


def test_a_machine_of_an_inventory_gets_a_label_that_says_whose_node_it_is(
    artifacts: dict[str, str],
) -> None:
    def labels_of(bound: K3s) -> list[list[str]]:
        phase = bound.start_phase(NODES, SETTINGS, secrets=TOKENS, new=NODES, server=NODES[0])
        phases = (phase, bound.join_phase(NODES[3:], NODES, OUTPUTS))
        return [target.data["labels"] for phase in phases for target in phase.targets]

    assert {*map(tuple, labels_of(K3s().bind(artifacts, GROUND)))} == {("lab.cluster=abcd",)}
    assert not any(labels_of(K3s().bind(artifacts)))
