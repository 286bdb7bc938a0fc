"""What is there to copy for CI installs what whoever copies it has chosen, and nothing else."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def job() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((ROOT / "docs/gitlab-kind-smoke.yml").read_text())
    return told["kind-smoke"]  # type: ignore[no-any-return]


def checked(commit: str, where: str) -> "subprocess.CompletedProcess[str]":
    """Run the step that looks at what is to be installed."""
    (script,) = (line for line in job()["before_script"] if line.startswith("case "))
    package = job()["variables"]["LAB_PACKAGE"].replace("OWNER/REPOSITORY", where)
    environ = {**os.environ, "LAB_PACKAGE": package.replace("$LAB_COMMIT", commit)}
    argv = ["bash", "-euc", script]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("commit", "where"), [("COMMIT", "me/lab"), (COMMIT, "OWNER/REPOSITORY")])
def test_gitlabs_job_installs_nothing_before_it_is_told_what(commit: str, where: str) -> None:
    done = checked(commit, where)

    assert done.returncode == 1
    assert "fill in where lab is" in done.stderr


def test_gitlabs_job_takes_a_commit_of_a_repository() -> None:
    assert checked(COMMIT, "me/lab").returncode == 0
    assert job()["variables"]["LAB_COMMIT"] == "COMMIT"


@pytest.mark.parametrize("name", ["docs/gitlab-kind-smoke.yml", ".github/workflows/kind-smoke.yml"])
def test_nothing_that_is_copied_takes_lab_from_an_index(name: str) -> None:
    assert "deploy-lab" not in (ROOT / name).read_text()


def test_packages_are_looked_up_before_they_are_installed() -> None:
    steps = job()["before_script"]
    update, install = (
        next(at for at, step in enumerate(steps) if f"apt-get {what}" in step)
        for what in ("update", "install")
    )

    assert update < install
