"""lab ci --on kind, with the real kind on a Docker of the test's own: played, cancelled, killed."""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from shutil import rmtree
from xml.etree import ElementTree

import pytest

from lab.artifacts.kubeadm import kubernetes_version
from lab.artifacts.layout import artifacts as artifacts_in
from lab.artifacts.layout import partials
from tests.docker.home import DockerHome
from tests.e2e.home import all_pids, cmdline, wait_for
from tests.e2e.kind_home import OURS, docker, home, quick

__all__ = ["docker", "home", "quick"]

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("kind-ci"), pytest.mark.timeout(900)]

CI = ("ci", "--on", "kind", "--nodes", "2", "--scenarios")


def test_a_smoke_run_makes_plays_tells_and_removes(
    home: DockerHome, quick: Path, tmp_path: Path
) -> None:
    junit = tmp_path / "results.xml"

    done = home.lab(*CI, str(quick), "--budget", "10m", "--junit", str(junit), timeout_s=600)

    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[:3] for line in done.stdout.splitlines()[:3]] == [
        ["kind,", "kubeadm", f"{kubernetes_version()},"],
        ["quick", "careless", "REPRODUCED"],
        ["quick", "careful", "PREVENTED"],
    ]
    (suite,) = ElementTree.parse(junit).getroot().iter("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "0", "0")
    told = {p.get("name"): p.get("value") for p in suite.findall("properties/property")}
    assert told["distribution"] == f"kubeadm {kubernetes_version()}"
    assert (home.paths.state / "runs/quick/latest/careless/history.jsonl").exists()
    assert home.left() == []


def test_a_budget_that_making_the_cluster_would_use_up_is_refused_before_it_is_made(
    home: DockerHome, quick: Path
) -> None:
    before = home.said_by_kind("ci")

    done = home.lab(*CI, str(quick), "--budget", "30s")

    assert done.returncode == 2
    assert "a budget of 30 s is too small" in done.stderr
    assert home.said_by_kind("ci") == before
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


def builds(home: DockerHome) -> bool:
    begun = partials(home.paths)
    return begun.is_dir() and any(begun.iterdir())


def loads(home: DockerHome) -> bool:
    return any("docker load --quiet" in cmdline(pid) for pid in all_pids())


def is_being_removed(home: DockerHome) -> bool:
    return home.record("ci").get("leaving") == "down"


PHASES: dict[str, Callable[[DockerHome], bool]] = {
    "building": builds,
    "loading the node image": loads,
    "making the network": has_network,
    "making containers": says("Preparing nodes"),
    "making the control plane": says("Starting control-plane"),
    "joining": says("Joining worker nodes"),
    "checking": has_joined,
    "deploying": has_images,
    "playing": plays,
    "removing": is_being_removed,
}


def cancelled(home: DockerHome, quick: Path, *signals: tuple[str, int]) -> tuple[int, str]:
    """Cancel a smoke run by a signal in each phase; return its exit code and what it said."""
    rmtree(home.paths.state / "runs", ignore_errors=True)
    (home.paths.state / "kind/ci.log").unlink(missing_ok=True)
    running = home.begin(*CI, str(quick))
    for phase, number in signals:
        is_reached = partial(PHASES[phase], home)
        reached = wait_for(is_reached, timeout_s=240, every_s=0.05)
        os.kill(running.pid, number)
        if not reached:
            break
    _, said = running.communicate(timeout=120)
    assert reached, f"{phase} was not reached: {said}"
    return running.returncode, said


def says_so_and_leaves_nothing(home: DockerHome, code: int, said: str) -> None:
    assert code == 130, said
    assert "Error: interrupted" in said
    assert "Traceback" not in said
    assert home.left() == []


@pytest.fixture
def lacking(home: DockerHome, tmp_path: Path) -> Iterator[None]:
    """A cache in which the node image has to be built."""
    cache, all_there = home.cache, artifacts_in(home.paths)
    home.cache = tmp_path / "cache"
    artifacts_in(home.paths).mkdir(parents=True)
    for each in all_there.iterdir():
        if not each.name.startswith("kind-node-"):
            (artifacts_in(home.paths) / each.name).symlink_to(each)
    yield
    home.cache = cache


def test_a_job_that_is_cancelled_while_it_builds_leaves_nothing(
    home: DockerHome, quick: Path, lacking: None
) -> None:
    says_so_and_leaves_nothing(home, *cancelled(home, quick, ("building", signal.SIGINT)))


def test_a_job_that_is_cancelled_while_docker_takes_the_image_leaves_nothing(
    home: DockerHome, quick: Path
) -> None:
    if home.docker.lines("image", "ls", "--quiet", OURS):
        home.docker.run("docker", "image", "rm", OURS)

    done = cancelled(home, quick, ("loading the node image", signal.SIGTERM))

    says_so_and_leaves_nothing(home, *done)


@pytest.mark.parametrize(
    ("phase", "number"),
    [
        ("making the network", signal.SIGTERM),
        ("making containers", signal.SIGINT),
        ("making the control plane", signal.SIGTERM),
        ("joining", signal.SIGINT),
        ("checking", signal.SIGTERM),
        ("deploying", signal.SIGINT),
    ],
)
def test_a_job_that_is_cancelled_says_so_and_leaves_nothing(
    home: DockerHome, quick: Path, phase: str, number: int
) -> None:
    says_so_and_leaves_nothing(home, *cancelled(home, quick, (phase, number)))


def test_a_second_signal_does_not_keep_the_cluster_from_being_removed(
    home: DockerHome, quick: Path
) -> None:
    # As GitHub does it: SIGINT, SIGTERM seconds later, and then SIGKILL.
    signals = (("playing", signal.SIGINT), ("removing", signal.SIGTERM))

    says_so_and_leaves_nothing(home, *cancelled(home, quick, *signals))


@pytest.mark.parametrize("phase", ["making containers", "making the control plane", "playing"])
def test_what_a_killed_job_left_is_removed_by_the_next_one(
    home: DockerHome, quick: Path, phase: str
) -> None:
    cancelled(home, quick, (phase, signal.SIGKILL))
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
