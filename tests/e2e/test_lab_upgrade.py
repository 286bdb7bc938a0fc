"""A lab of the version before: made for real from its modules, and brought to the present one.

Long: Kubernetes is built once more.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typing_extensions import override

from lab.artifacts.kubeadm import MODULES, kubeadm_recipes, kubernetes_version
from lab.artifacts.kubeimages import KubeImages
from lab.artifacts.recipe import Recipe
from lab.lifecycle.record import artifacts_in_use
from lab.lifecycle.up import Wanted, up
from lab.progress import Silent
from lab.provision.kubeadm_phases import Kubeadm
from tests.e2e.home import Home, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(2400)]

NAME = "older"
OLD = "v1.36.1"
NEW = kubernetes_version()
PINS = Path(__file__).parents[1] / "older"


@dataclass(frozen=True, slots=True)
class Older(Kubeadm):
    """kubeadm with the Kubernetes that tests/older pins."""

    module: Path = Path()

    @property
    @override
    def version(self) -> str:
        return OLD

    @override
    def recipes(self) -> tuple[Recipe, ...]:
        programs = {r.name: r for r in kubeadm_recipes()}
        kubernetes = replace(programs["kubernetes"], module=self.module)  # type: ignore[type-var]
        return tuple((programs | {"kubernetes": kubernetes, "images": KubeImages(OLD)}).values())


@pytest.fixture(scope="module")
def home(shared_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Make a lab of three nodes in the older version."""
    module = tmp_path_factory.mktemp("kubernetes")
    shutil.copy(MODULES / "kubernetes/main.go", module)
    for pins in ("go.mod", "go.sum"):
        shutil.copy(PINS / pins, module)
    older = Older(module=module)
    up(
        shared_home.paths,
        NAME,
        wanted=Wanted(3),
        distribution=older,
        progress=Silent(),
    )
    yield shared_home
    shared_home.must("down", "--name", NAME, "--yes")


def versions(home: Home) -> dict[str, str]:
    found = json.loads(home.must("kubectl", "--name", NAME, "get", "nodes", "-o", "json"))
    return {
        item["metadata"]["name"]: item["status"]["nodeInfo"]["kubeletVersion"]
        for item in found["items"]
    }


def is_under_way(home: Home) -> bool:
    """Whether a first node has the new version; a lone server's API is away while it changes."""
    done = home.lab("kubectl", "--name", NAME, "get", "nodes", "-o", "wide")
    return done.returncode == 0 and NEW in done.stdout


def test_start_boots_a_lab_in_the_version_it_has(home: Home) -> None:
    home.must("stop", "--name", NAME)
    home.must("start", "--name", NAME)

    assert set(versions(home).values()) == {OLD}


def test_an_upgrade_that_is_killed_goes_on_and_does_what_was_planned(home: Home) -> None:
    order = [(a["target"], a["action"]) for a in plan(home) if a["target"] != "host"]
    upgrade = f"upgrade to {NEW}"
    assert order == [*((n, upgrade) for n in ("n1", "n2", "n3")), ("cluster", "check")]

    running = home.begin("up", "--name", NAME)
    assert wait_for(lambda: is_under_way(home), timeout_s=280, every_s=0.5)
    running.kill()
    running.communicate()

    left = plan(home)
    assert [a["target"] for a in left if a["action"] == upgrade][-1] == "n3"
    assert ("n1", upgrade) not in [(a["target"], a["action"]) for a in left]
    done = home.json("up", "--name", NAME)["done"]
    assert [a["target"] for a in done if a["action"] == upgrade] == [
        a["target"] for a in left if a["action"] == upgrade
    ]
    assert versions(home) == dict.fromkeys(("n1", "n2", "n3"), NEW)
    assert plan(home) == []


def plan(home: Home) -> list[dict[str, str]]:
    found: list[dict[str, str]] = home.json("up", "--name", NAME, "--plan")["actions"]
    return found


def test_an_upgraded_lab_boots_again_in_its_new_version(home: Home) -> None:
    home.must("stop", "--name", NAME)
    home.must("start", "--name", NAME)

    assert set(versions(home).values()) == {NEW}


def test_what_the_old_disks_stood_on_is_still_known_to_be_in_use(home: Home) -> None:
    used = home.record(NAME)["artifacts"]

    assert {f"kubernetes of {OLD}", f"images of {OLD}", "kubernetes"} <= set(used)
    assert {Path(path) for path in used.values()} <= artifacts_in_use(home.paths)


def test_a_step_back_is_refused(home: Home) -> None:
    file = home.paths.lab(NAME) / "lab.json"
    before = file.read_text()
    file.write_text(before.replace(f'"version": "{NEW}"', '"version": "v1.36.9"'))
    try:
        done = home.lab("up", "--name", NAME)
    finally:
        file.write_text(before)

    assert (done.returncode, "a cluster cannot go back" in done.stderr) == (2, True)
