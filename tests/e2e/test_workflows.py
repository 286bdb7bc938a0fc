"""The workflows that run on hosted machines: at least they are what GitHub would take.

Where they have not run, this and shellcheck, which actionlint asks about each script, is all
that can be said of them.
"""

import subprocess
from pathlib import Path

import pytest

from lab.artifacts import ensure
from lab.artifacts.gobuild import GoPrograms
from lab.paths import find_paths
from lab.progress import Silent

# The first of them may have to build the linter.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").iterdir())
PROGRAM = "github.com/rhysd/actionlint/cmd/actionlint"


@pytest.fixture(scope="module")
def actionlint() -> Path:
    recipe = GoPrograms("actionlint", ROOT / "tests/tools/actionlint", packages=(PROGRAM,))
    artifact = ensure([recipe], paths=find_paths(), progress=Silent())["actionlint"]
    return artifact.tree / "usr/local/bin/actionlint"


def lint(actionlint: Path, text: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(actionlint), "-no-color", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_mistakes(actionlint: Path, workflow: Path) -> None:
    assert lint(actionlint, workflow.read_text()).stdout == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("matrix.distribution", "matrix.distributions"),
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-1.04"),
        ("runs-on:", "run-on:"),
        ('k3s_lock "$version"', "k3s_lock $version"),
    ],
)
def test_a_mistake_in_it_would_be_found(actionlint: Path, right: str, wrong: str) -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    assert right in text

    assert lint(actionlint, text.replace(right, wrong)).returncode == 1


@pytest.mark.parametrize("script", ["run", ".ci/run"])
def test_a_script_has_no_mistakes_and_one_would_be_found(script: str) -> None:
    text = (ROOT / script).read_text()

    assert shellcheck(text) == ""
    assert "SC2086" in shellcheck(text + "\ncd $1\n")


def shellcheck(text: str) -> str:
    argv = ["shellcheck", "-"]
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False).stdout


def test_the_released_k3s_and_kubeadm_are_both_brought_up_and_played_on() -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text()

    for needed in (
        "distribution: k3s, servers: 1",
        "distribution: k3s, servers: 3",
        "distribution: kubeadm, servers: 1",
        "lab scenario run half-migrated-rename",
        "lab doctor --residue",
    ):
        assert needed in text
