"""The real kind on a Docker of the test's own, with lab's node image: made, played on, removed.

The daemon is in a network namespace that no interface leads out of. Six nodes first, which the
tests use in the order of the file; then what is refused, and what is cut short.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any
from xml.etree import ElementTree

import pytest

from lab import artifacts
from lab.artifacts.kind import kind_recipes
from lab.artifacts.kindnode import archive_of, tag
from lab.artifacts.kubeadm import kubernetes_version
from lab.paths import find_paths
from lab.progress import Silent
from tests.docker import daemon
from tests.docker.daemon import Docker
from tests.docker.home import DockerHome
from tests.e2e.home import make_path, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("kind"), pytest.mark.timeout(900)]

SCENARIOS = Path(__file__).parent / "service/scenarios"
OURS = tag(kubernetes_version())
UP = ("up", "--on", "kind")
CI = ("ci", "--on", "kind", "--nodes", "2", "--scenarios")


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    work = Path(tempfile.mkdtemp(prefix="e2e-docker-", dir="/var/tmp"))
    try:
        with daemon.running(work) as running:
            yield running
    finally:
        rmtree(work)


@pytest.fixture(scope="module")
def home(docker: Docker) -> Iterator[DockerHome]:
    """One home for all, as of one user of this Docker."""
    directory = Path(tempfile.mkdtemp(prefix="e2e-", dir="/var/tmp"))
    made = DockerHome(directory, find_paths().cache.parent, docker=docker)
    try:
        yield made
        assert made.left() == []
    finally:
        made.remove_all()
        rmtree(directory)


@pytest.fixture(scope="module")
def loaded(home: DockerHome) -> str:
    """Lab's own node image, which Docker has."""
    built = artifacts.ensure(kind_recipes(), paths=find_paths(), progress=Silent())
    archive = str(archive_of(built["kind-node"]))
    home.docker.run("docker", "load", "--quiet", "--input", archive, timeout_s=300)
    return OURS


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one scenario, which takes seconds."""
    folder = tmp_path_factory.mktemp("scenarios")
    (folder / "quick").symlink_to(SCENARIOS / "quick")
    return folder


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
    mode = home.paths.lab("lab") / "kubeconfig"

    assert oct(mode.stat().st_mode)[-3:] == "600"
    assert not (Path.home() / ".kube/config").exists()


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
    head = "\n".join(done.stdout.splitlines()[:4])
    assert "kind" in head
    assert f"kubeadm {kubernetes_version()}" in head
    told = json.loads(home.must("report", "show", scenario, "--json"))
    assert {(each["stage"], each["outcome"]) for each in told} == {
        ("kind", "reproduced"),
        ("kind", "prevented"),
    }


def test_runs_on_the_sandbox_are_refused_there(home: DockerHome, six: dict[str, Any]) -> None:
    done = home.lab("scenario", "run", "half-migrated-rename", "--stage", "sandbox")

    assert done.returncode == 2
    assert "--stage kind" in done.stderr


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
    home.more = {"PATH": make_path(tmp_path / "bin", without=("docker",))}
    try:
        done = home.lab(*UP, "--nodes", "2")
    finally:
        home.more = {}

    assert done.returncode == 4
    assert "docker is not on PATH" in done.stderr
    assert home.left() == []


def test_a_daemon_that_is_away_is_named(home: DockerHome) -> None:
    home.more = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    try:
        done = home.lab(*UP, "--nodes", "2")
    finally:
        home.more = {}

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


def test_a_smoke_run_makes_plays_tells_and_removes(
    home: DockerHome, quick: Path, tmp_path: Path
) -> None:
    junit = tmp_path / "results.xml"

    done = home.lab(*CI, str(quick), "--budget", "10m", "--junit", str(junit), timeout_s=600)

    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[:3] for line in done.stdout.splitlines()[:3]] == [
        ["kind,", "kubeadm", "v1.36.3,"],
        ["quick", "careless", "REPRODUCED"],
        ["quick", "careful", "PREVENTED"],
    ]
    (suite,) = ElementTree.parse(junit).getroot().iter("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "0", "0")
    assert (home.paths.state / "runs/quick/latest/careless/history.jsonl").exists()
    assert home.left() == []


def test_a_budget_that_making_the_cluster_uses_up_leaves_all_out_and_nothing_behind(
    home: DockerHome, quick: Path
) -> None:
    done = home.lab(*CI, str(quick), "--budget", "1s")

    assert done.returncode == 3
    assert "LEFT OUT" in done.stdout
    assert home.left() == []


def test_a_cluster_that_cannot_be_made_is_an_error_in_the_junit_file(
    home: DockerHome, quick: Path, tmp_path: Path
) -> None:
    junit = tmp_path / "results.xml"

    done = home.lab(*CI, str(quick), "--image", "no/such:1", "--junit", str(junit))

    assert done.returncode == 2
    assert "Docker has no image" in junit.read_text()
    assert home.left() == []


def has_network(home: DockerHome) -> bool:
    return bool(home.networks())


def says(step: str) -> Callable[[DockerHome], bool]:
    """Return whether kind has begun that step."""

    def is_said(home: DockerHome) -> bool:
        return step in home.said_by_kind("ci")

    return is_said


def has_joined(home: DockerHome) -> bool:
    return bool(home.record("ci").get("joined"))


def has_images(home: DockerHome) -> bool:
    return "chirps-images" in home.record("ci").get("artifacts", {})


def plays(home: DockerHome) -> bool:
    runs = home.paths.state / "runs/quick"
    return any(runs.glob("*/careless/history.jsonl"))


PHASES: dict[str, Callable[[DockerHome], bool]] = {
    "making the network": has_network,
    "making containers": says("Preparing nodes"),
    "making the control plane": says("Starting control-plane"),
    "joining": says("Joining worker nodes"),
    "checking": has_joined,
    "deploying": has_images,
    "playing": plays,
}


def cancelled(home: DockerHome, quick: Path, phase: str, number: int) -> tuple[int, str]:
    """Cancel a smoke run in a phase; return its exit code and what it said."""
    rmtree(home.paths.state / "runs", ignore_errors=True)
    (home.paths.state / "kind/ci.log").unlink(missing_ok=True)
    running = home.begin(*CI, str(quick))
    reached = wait_for(lambda: PHASES[phase](home), timeout_s=240, every_s=0.1)
    os.kill(running.pid, number)
    _, said = running.communicate(timeout=120)
    assert reached, said
    return running.returncode, said


@pytest.mark.parametrize(
    ("phase", "number"),
    [
        ("making the network", signal.SIGTERM),
        ("making containers", signal.SIGINT),
        ("making the control plane", signal.SIGTERM),
        ("joining", signal.SIGINT),
        ("checking", signal.SIGTERM),
        ("deploying", signal.SIGINT),
        ("playing", signal.SIGTERM),
    ],
)
def test_a_job_that_is_cancelled_says_so_and_leaves_nothing(
    home: DockerHome, quick: Path, phase: str, number: int
) -> None:
    code, said = cancelled(home, quick, phase, number)

    assert code == 130, said
    assert "Error: interrupted" in said
    assert home.left() == []


@pytest.mark.parametrize("phase", ["making containers", "making the control plane", "playing"])
def test_what_a_killed_job_left_is_removed_by_the_next_one(
    home: DockerHome, quick: Path, phase: str
) -> None:
    cancelled(home, quick, phase, signal.SIGKILL)
    left = set(home.networks())
    assert left

    # The second one has its own network when that of the first is gone.
    running = home.begin(*CI, str(quick))
    assert wait_for(lambda: set(home.networks()) - left, timeout_s=120)
    assert not left & set(home.networks())
    os.kill(running.pid, signal.SIGTERM)
    running.communicate(timeout=120)

    assert running.returncode == 130
    assert home.left() == []
