"""The real kind on a Docker of the test's own, with lab's node image: made, played on, removed.

Six nodes first, which the tests use in the order of the file; then what is refused, or fails.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.artifacts import ensure
from lab.artifacts.kind import kind_recipes
from lab.artifacts.kubeadm import kubernetes_version
from lab.lifecycle import kind_program
from lab.paths import find_paths
from lab.progress import Silent
from tests.docker.daemon import Docker
from tests.docker.home import DockerHome
from tests.e2e.home import make_path
from tests.e2e.kind_home import OURS, OWN_KUBECONFIG, docker, home, loaded

__all__ = ["docker", "home", "loaded"]

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("kind"), pytest.mark.timeout(900)]

UP = ("up", "--on", "kind")
N1, N2, N4, N5 = (
    "lab-lab-control-plane",
    "lab-lab-worker",
    "lab-lab-worker3",
    "lab-lab-worker4",
)
API, KUBELET, POSTGRES = 6443, 10250, 5432


@pytest.fixture(scope="module")
def six(home: DockerHome) -> Iterator[dict[str, Any]]:
    """A lab of six nodes, and what was told of making it, beside a container of somebody else's."""
    up = home.json(*UP)
    home.docker.run("docker", "network", "create", "somebodys")
    bystander = ("--name=bystander", "--label=io.x-k8s.kind.cluster=mine", "--network=somebodys")
    home.docker.run("docker", "create", *bystander, "--entrypoint=/bin/true", OURS)
    yield up
    take_bystander_away(home)


def take_bystander_away(home: DockerHome) -> None:
    if "bystander" in home.containers():
        home.docker.run("docker", "rm", "--force", "--volumes", "bystander")
    if "somebodys" in home.networks():
        home.docker.run("docker", "network", "rm", "somebodys")


def test_no_interface_of_the_daemons_network_leads_out(home: DockerHome) -> None:
    links = json.loads(home.docker.run("ip", "--json", "--details", "link"))
    kinds = {link.get("linkinfo", {}).get("info_kind", "loopback") for link in links}
    routes = home.docker.run("ip", "route", "show", "default")

    assert kinds <= {"loopback", "bridge", "veth"}
    assert routes == ""


def test_six_nodes_are_made_with_the_names_of_any_lab(
    home: DockerHome, six: dict[str, Any]
) -> None:
    status = home.json("status")

    assert six["on"] == "kind"
    assert status["state"] == "up"
    assert [node["name"] for node in status["nodes"]] == ["n1", "n2", "n3", "n4", "n5", "n6"]
    assert [node["role"] for node in status["nodes"]] == ["server", *["agent"] * 5]
    assert six["phases"][-1]["phase"] == "Checking DNS, pods and services from every node"


def test_a_second_up_finds_nothing_to_do(home: DockerHome, six: dict[str, Any]) -> None:
    assert home.json("up")["changed"] is False
    assert home.json("up", "--plan")["changes"] == 0


def test_the_users_own_kubeconfig_is_not_touched(home: DockerHome, six: dict[str, Any]) -> None:
    own = home.paths.lab("lab") / "kubeconfig"

    assert oct(own.stat().st_mode)[-3:] == "600"
    for file in (Path(home.environ["KUBECONFIG"]), Path(home.environ["HOME"], ".kube/config")):
        assert file.read_bytes() == OWN_KUBECONFIG


def test_ways_into_it_are_those_of_any_lab(home: DockerHome, six: dict[str, Any]) -> None:
    assert home.must("ssh", "n3", "hostname").strip() == "lab-lab-worker2"
    assert "kubelet" in home.must("logs", "n2", "--unit", "kubelet", "--lines", "5")
    nodes = home.must("kubectl", "get", "nodes", "-o", "name").split()
    assert nodes == [f"node/n{number}" for number in range(1, 7)]


def test_every_pod_of_the_cluster_runs_from_the_images_of_the_node(
    home: DockerHome, six: dict[str, Any]
) -> None:
    told = json.loads(home.must("kubectl", "get", "pods", "-A", "-o", "json"))
    phases = {pod["metadata"]["name"]: pod["status"]["phase"] for pod in told["items"]}
    proxies = [name for name in phases if name.startswith("kube-proxy")]

    assert set(phases.values()) == {"Running"}
    assert len(proxies) == 6
    for name in proxies:
        logs = home.must("kubectl", "-n", "kube-system", "logs", name)
        assert "Failed to execute iptables-restore" not in logs


def test_the_service_is_deployed_and_answers_on_the_loopback(
    home: DockerHome, six: dict[str, Any]
) -> None:
    deployed = home.json("deploy")

    address = f"{deployed['address']}/chirps?author_id=1&limit=3"
    assert json.loads(home.docker.run("curl", "--silent", "--fail", address))
    assert home.json("deploy")["changed"] is False


@pytest.mark.parametrize("scenario", ["half-migrated-rename", "drain-vs-pdb"])
def test_a_scenario_comes_out_as_predicted_and_says_where_it_was_played(
    home: DockerHome, six: dict[str, Any], scenario: str
) -> None:
    done = home.lab("scenario", "run", scenario, "--stage", "kind", timeout_s=600)

    assert done.returncode == 0, done.stdout + done.stderr
    first = done.stdout.splitlines()[0]
    assert first.startswith(f"{scenario} on kind, kubeadm {kubernetes_version()}, honest clock  ")
    told = json.loads(home.must("report", "show", scenario, "--json"))
    assert {(each["stage"], each["outcome"]) for each in told} == {
        ("kind", "reproduced"),
        ("kind", "prevented"),
    }


def test_runs_on_the_sandbox_are_refused_there(home: DockerHome, six: dict[str, Any]) -> None:
    done = home.lab("scenario", "run", "half-migrated-rename", "--stage", "sandbox")

    assert done.returncode == 2
    assert "--stage kind" in done.stderr


def do(home: DockerHome, *steps: str) -> None:
    """Do to nodes of the lab what faults do, each step as verb:node."""
    argv = (sys.executable, "-m", "tests.docker.node_faults", "lab", *steps)
    home.docker.run(*argv, timeout_s=240, env=home.environ)


def address(home: DockerHome, container: str) -> str:
    shown = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return home.docker.run("docker", "inspect", "--format", shown, container).strip()


def reaches(home: DockerHome, container: str, host: str, port: int) -> bool:
    """Whether something in that container gets a TCP connection."""
    script = f"timeout 3 bash -c '</dev/tcp/{host}/{port}'"
    argv = home.docker.inside("docker", "exec", container, "bash", "-c", script)
    environ = {**os.environ, **home.docker.environ}
    done = subprocess.run(argv, env=environ, capture_output=True, check=False)
    return done.returncode == 0


def test_a_node_is_cut_off_and_joins_again_while_another_has_no_power(
    home: DockerHome, six: dict[str, Any]
) -> None:
    server, fifth = (address(home, each) for each in (N1, N5))
    assert reaches(home, N1, fifth, KUBELET)

    do(home, "power_off:n6", "isolate:n5")
    try:
        assert "lab-lab-worker5" not in home.docker.lines("ps", "--format", "{{.Names}}")
        assert not reaches(home, N1, fifth, KUBELET)
        assert not reaches(home, N5, server, API)
        assert reaches(home, N4, server, API)
    finally:
        do(home, "rejoin:n5")

    assert reaches(home, N1, fifth, KUBELET)
    do(home, "power_off:n6", "power_on:n6")
    assert home.json("status")["state"] == "up"


def test_the_database_is_cut_off_from_other_nodes_and_nothing_else_is(
    home: DockerHome, six: dict[str, Any]
) -> None:
    told = ("-n", "chirps", "get", "pod", "postgres-0", "-o", "jsonpath={.status.podIP}")
    database = home.must("kubectl", *told).strip()
    assert reaches(home, N4, database, POSTGRES)

    do(home, "isolate:database")
    try:
        assert not reaches(home, N4, database, POSTGRES)
        assert reaches(home, N2, database, POSTGRES)
        assert reaches(home, N4, address(home, N2), KUBELET)
    finally:
        do(home, "rejoin:database")

    assert reaches(home, N4, database, POSTGRES)


def test_a_node_that_loses_its_power_comes_back(home: DockerHome, six: dict[str, Any]) -> None:
    home.docker.run("docker", "kill", "lab-lab-worker5")
    assert home.lab("status").returncode == 4

    done = home.json("up")["done"]

    assert {"target": "n6", "action": "start"} in done
    assert home.json("status")["state"] == "up"


def test_a_lab_that_was_stopped_starts_again(home: DockerHome, six: dict[str, Any]) -> None:
    home.must("stop")
    assert home.json("list")[0]["state"] == "stopped"

    home.must("start")

    assert home.json("status")["state"] == "up"


def test_down_removes_exactly_that(home: DockerHome, six: dict[str, Any]) -> None:
    home.must("down", "--yes")

    assert home.containers() == ["bystander"]
    assert home.networks() == ["somebodys"]
    assert home.names() == []
    take_bystander_away(home)


# What is refused, or fails, and leaves nothing.


def test_without_docker_it_is_said_what_it_is_for(home: DockerHome, tmp_path: Path) -> None:
    with home.having(PATH=make_path(tmp_path / "bin", without=("docker",))):
        done = home.lab(*UP, "--nodes", "2")

    assert done.returncode == 4
    assert "docker is not on PATH" in done.stderr
    assert home.left() == []


def test_a_daemon_that_is_away_is_named(home: DockerHome) -> None:
    with home.having(DOCKER_HOST="unix:///nonexistent/docker.sock"):
        done = home.lab(*UP, "--nodes", "2")

    assert done.returncode == 4
    assert "Error: no Docker daemon answers at unix:///nonexistent/docker.sock" in done.stderr
    assert "Hint: sudo systemctl start docker" in done.stderr


def test_who_may_not_ask_docker_is_told_how_to(home: DockerHome, tmp_path: Path) -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    own = {f"XDG_{kind}_HOME": "/nonexistent" for kind in ("DATA", "STATE", "CACHE")}
    done = subprocess.run(
        home.docker.inside(*nobody, sys.executable, "-m", "lab", *UP),
        env={**home.environ, **own, "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 4
    assert "refuses this user" in done.stderr
    assert "usermod -aG docker" in done.stderr


def test_a_name_that_somebody_elses_cluster_has_is_refused(home: DockerHome, loaded: str) -> None:
    label = "--label=io.x-k8s.kind.cluster=lab-taken"
    home.docker.run("docker", "create", "--name=theirs", label, "--entrypoint=/bin/true", OURS)
    try:
        done = home.lab(*UP, "--name", "taken")
        assert home.containers() == ["theirs"]
    finally:
        home.docker.run("docker", "rm", "--volumes", "theirs")

    assert done.returncode == 2
    assert "'lab-taken' is taken: Docker has theirs" in done.stderr


def test_an_image_that_is_missing_is_named_with_the_way_to_it(home: DockerHome) -> None:
    done = home.lab(*UP, "--image", "kindest/node:v0")

    assert done.returncode == 2
    assert "Docker has no image 'kindest/node:v0'" in done.stderr
    assert "Hint: docker pull kindest/node:v0" in done.stderr
    assert home.left() == []


def test_kind_makes_a_cluster_of_the_image_without_lab(
    home: DockerHome, loaded: str, tmp_path: Path
) -> None:
    artifacts = ensure(kind_recipes(), paths=find_paths(), progress=Silent())
    kind = (str(kind_program.program(artifacts)), "--quiet")
    which = ("--name", "alone", "--kubeconfig", str(tmp_path / "kubeconfig"))
    admin = ("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--namespace=kube-system")
    node = ("docker", "exec", "alone-control-plane", *admin)
    within = "--timeout=120s"
    try:
        make = (*kind, "create", "cluster", *which, "--image", loaded)
        home.docker.run(*make, timeout_s=300)
        home.docker.run(
            *node, "wait", "--for=condition=Ready", "node", "--all", within, timeout_s=150
        )
        rolled = home.docker.run(
            *node, "rollout", "status", "deployment/coredns", within, timeout_s=150
        )
    finally:
        home.docker.run(*kind, "delete", "cluster", *which)
        if "kind" in home.networks():
            home.docker.run("docker", "network", "rm", "kind")

    assert "successfully rolled out" in rolled


def derive(docker: Docker, name: str, path: str, content: str, tmp_path: Path) -> None:
    """Make a node image that differs from lab's in one file."""
    file = tmp_path / "file"
    file.write_text(content)
    file.chmod(0o755)
    container = docker.lines("create", OURS)[0]
    docker.run("docker", "cp", str(file), f"{container}:{path}")
    docker.run("docker", "commit", container, name, timeout_s=120)
    docker.run("docker", "rm", "--volumes", container)


def test_with_nodes_that_are_never_ready_the_cause_is_told_and_nothing_is_left(
    home: DockerHome, loaded: str, tmp_path: Path
) -> None:
    derive(home.docker, "lab.local/broken:1", "/kind/10-lab.conflist", "{", tmp_path)

    image = ("--image", "lab.local/broken:1")
    done = home.lab(*UP, "--nodes", "2", *image, "--timeout", "15")

    assert done.returncode == 4
    assert "did not become ready within 15 s" in done.stderr
    assert "n2" in done.stderr
    assert "cni plugin not initialized" in home.said_by_kind("lab")
    assert home.left() == []


def test_with_a_kind_that_fails_its_own_words_are_told_and_nothing_is_left(
    home: DockerHome, loaded: str, tmp_path: Path
) -> None:
    derive(home.docker, "lab.local/halts:1", "/kind/entrypoint", "#!/bin/sh\nexit 1\n", tmp_path)

    done = home.lab(*UP, "--nodes", "2", "--image", "lab.local/halts:1")

    assert done.returncode == 4
    assert "kind create failed with exit status 1 on cluster lab-lab" in done.stderr
    assert home.left() == []
