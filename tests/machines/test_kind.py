import json

import pytest
import yaml

from lab.errors import CommandFailed, HostUnfit, InvalidValue, ToolMissing
from lab.machines import commands, docker, kind
from lab.machines.kind import CLUSTER_LABEL, KindCluster
from lab.machines.topology import make_nodes
from tests.machines.fake_docker import Container, FakeDocker

NODES = make_nodes(3)
OURS = KindCluster("lab-demo", "abcd", service_port=8080)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    made = FakeDocker()
    monkeypatch.setattr(docker, "run", made.run)
    monkeypatch.setattr(kind, "QUIET_S", 0)
    return made


@pytest.fixture
def with_ours(fake: FakeDocker) -> FakeDocker:
    kind.make_network(OURS)
    for node in NODES:
        fake.add("lab-demo", OURS.container(node), "lab-abcd")
    return fake


def test_nodes_are_called_as_kind_calls_its_containers() -> None:
    assert [OURS.container(node) for node in NODES] == [
        "lab-demo-control-plane",
        "lab-demo-worker",
        "lab-demo-worker2",
    ]


def test_the_configuration_names_nodes_image_and_the_port_of_the_service() -> None:
    told = yaml.safe_load(kind.config(OURS, NODES, "some/image:1", 30080))

    first, *workers = told["nodes"]
    assert [node["role"] for node in told["nodes"]] == ["control-plane", "worker", "worker"]
    assert {node["image"] for node in told["nodes"]} == {"some/image:1"}
    (patch,) = workers[0]["kubeadmConfigPatches"]
    named = yaml.safe_load(patch)
    assert (named["kind"], named["nodeRegistration"]["name"]) == ("JoinConfiguration", "n2")
    assert first["extraPortMappings"] == [
        {"containerPort": 30080, "hostPort": 8080, "listenAddress": "127.0.0.1"}
    ]
    assert "extraPortMappings" not in workers[0]
    assert told["networking"]["apiServerAddress"] == "127.0.0.1"


def test_removal_takes_the_labs_containers_and_network_and_nothing_else(
    with_ours: FakeDocker,
) -> None:
    with_ours.add("lab-demo", "somebody-elses-of-the-same-name", "kind")
    with_ours.add("other", "other-control-plane", "kind")
    with_ours.networks["kind"] = ""

    kind.remove(OURS)

    assert sorted(with_ours.containers) == [
        "other-control-plane",
        "somebody-elses-of-the-same-name",
    ]
    assert list(with_ours.networks) == ["kind"]


def test_a_container_that_a_killed_client_had_asked_for_is_removed_too(
    with_ours: FakeDocker,
) -> None:
    with_ours.late = [Container("lab-demo-worker3", "lab-abcd", {CLUSTER_LABEL: "lab-demo"})]

    kind.remove(OURS)

    assert with_ours.containers == {}
    assert with_ours.networks == {}


def test_removing_what_is_not_there_does_nothing(fake: FakeDocker) -> None:
    kind.remove(OURS)

    assert not any("rm" in words for words in fake.said)


def test_a_network_of_that_name_that_is_not_marked_stays(fake: FakeDocker) -> None:
    fake.networks["lab-abcd"] = "local.lab.id=another"

    kind.remove(OURS)

    assert "lab-abcd" in fake.networks


@pytest.mark.parametrize(
    ("subnet", "whose"),
    [("10.244.3.0/24", "pods"), ("10.0.0.0/8", "pods"), ("10.96.0.0/20", "services")],
)
def test_a_network_that_docker_takes_from_pods_or_services_is_refused(
    fake: FakeDocker, subnet: str, whose: str
) -> None:
    fake.subnet = subnet

    with pytest.raises(HostUnfit, match=f"got {subnet}, and {whose}") as caught:
        kind.make_network(OURS)

    assert "default-address-pools" in (caught.value.hint or "")


@pytest.mark.parametrize("subnet", ["192.168.16.0/20", "10.10.7.0/24", "fd00:1::/64"])
def test_any_other_network_that_docker_takes_will_do(fake: FakeDocker, subnet: str) -> None:
    fake.subnet = subnet

    kind.make_network(OURS)

    assert "lab-abcd" in fake.networks


def test_a_name_that_another_cluster_has_is_refused(fake: FakeDocker) -> None:
    fake.add("lab-demo", "lab-demo-control-plane", "kind")

    with pytest.raises(InvalidValue, match=r"'lab-demo' is taken.*control-plane") as caught:
        kind.require_free(OURS)

    assert "--name" in (caught.value.hint or "")


def test_a_name_that_a_plain_container_has_is_refused(fake: FakeDocker) -> None:
    fake.containers["lab-demo-worker2"] = Container("lab-demo-worker2")

    with pytest.raises(InvalidValue, match="is taken"):
        kind.require_free(OURS)


def test_a_name_that_begins_alike_is_free(fake: FakeDocker) -> None:
    fake.add("lab-demo-2", "lab-demo-2-control-plane", "kind")

    kind.require_free(OURS)


def test_stopped_containers_do_not_count_as_running(with_ours: FakeDocker) -> None:
    kind.cut_power(OURS, NODES[2])

    assert OURS.running() == {"lab-demo-control-plane", "lab-demo-worker"}
    assert len(OURS.containers()) == 3


def started(fake: FakeDocker) -> list[str]:
    return [words[1] for words in fake.said if words[0] == "start"]


def test_the_control_plane_is_started_first(with_ours: FakeDocker) -> None:
    kind.stop(OURS, NODES)

    kind.start(OURS, tuple(reversed(NODES)))

    assert started(with_ours) == ["lab-demo-control-plane", "lab-demo-worker", "lab-demo-worker2"]


@pytest.mark.parametrize("noted", ["/kind/address", "/kind/old-ipv4"])
def test_containers_are_started_in_the_order_of_their_addresses(
    with_ours: FakeDocker, noted: str
) -> None:
    had = {"control-plane": "172.18.0.10", "worker": "172.18.0.9", "worker2": "172.18.0.2"}
    for name, address in had.items():
        with_ours.containers[f"lab-demo-{name}"].files[noted] = f"{address}\n"

    kind.start(OURS, NODES)

    assert started(with_ours) == ["lab-demo-worker2", "lab-demo-worker", "lab-demo-control-plane"]


def test_addresses_are_those_on_the_labs_own_network(with_ours: FakeDocker) -> None:
    with_ours.containers["lab-demo-worker"].network = "another"

    assert sorted(OURS.addresses(NODES)) == ["n1", "n3"]


@pytest.mark.parametrize(
    ("said", "told", "hint"),
    [
        (
            "Got permission denied while trying to connect to the Docker daemon socket at "
            "unix:///var/run/docker.sock: Get ...: dial unix: connect: permission denied",
            "refuses this user",
            "usermod -aG docker",
        ),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker "
            "daemon running?",
            "no Docker daemon answers",
            "systemctl start docker",
        ),
    ],
)
def test_why_docker_cannot_be_used_is_told(
    fake: FakeDocker, said: str, told: str, hint: str
) -> None:
    fake.away = said

    with pytest.raises(HostUnfit, match=told) as caught:
        docker.version()

    assert hint in (caught.value.hint or "")


def test_any_other_failure_of_docker_is_told_in_its_own_words(fake: FakeDocker) -> None:
    fake.away = "no space left on device"

    with pytest.raises(CommandFailed, match="no space left on device"):
        docker.version()


def test_without_the_program_it_is_said_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(docker, "run", commands.run)

    with pytest.raises(ToolMissing, match="docker is not on PATH") as caught:
        docker.version()

    assert "--on sandbox" in (caught.value.hint or "")


def test_the_record_of_a_cluster_can_be_written_as_json() -> None:
    told = {"name": OURS.name, "lab_id": OURS.lab_id}

    assert KindCluster(**json.loads(json.dumps(told))).filters == OURS.filters
