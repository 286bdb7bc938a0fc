"""What is there to copy for a smoke run in CI: at least it is what GitHub and GitLab would take."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.test_workflows import ROOT, actionlint, lint, shellcheck

__all__ = ["actionlint"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ACTION = ROOT / ".github/actions/kind-smoke/action.yml"
WORKFLOW = ROOT / ".github/workflows/kind-smoke.yml"
GITLAB = ROOT / "docs/gitlab-kind-smoke.yml"


def read(file: Path) -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load(file.read_text())
    return told


def validate(schema: str, file: Path) -> "subprocess.CompletedProcess[str]":
    """Check a file against a schema that comes with the linter; nothing is fetched."""
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_every_input_of_the_action_is_described_and_has_a_default() -> None:
    inputs = read(ACTION)["inputs"]

    assert len(inputs) > 5
    for name, told in inputs.items():
        assert told["description"].strip(), name
        assert "default" in told, name


def test_the_action_has_no_mistakes_and_one_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "action.yml"
    wrong.write_text(ACTION.read_text().replace("using: composite", "using: composit"))

    assert validate("vendor.github-actions", ACTION).returncode == 0
    assert validate("vendor.github-actions", wrong).returncode == 1


@pytest.mark.parametrize(
    "script",
    [step["run"] for step in read(ACTION)["runs"]["steps"] if "run" in step],
    ids=[step["name"] for step in read(ACTION)["runs"]["steps"] if "run" in step],
)
def test_a_script_of_the_action_has_no_mistakes(script: str) -> None:
    assert shellcheck(f"#!/bin/bash\n{script}") == ""


def test_an_input_that_the_action_does_not_have_would_be_found(actionlint: Path) -> None:
    text = WORKFLOW.read_text()
    assert "          budget: $" in text

    done = subprocess.run(
        [str(actionlint), "-no-color", "-stdin-filename", str(WORKFLOW.relative_to(ROOT)), "-"],
        input=text.replace("          budget: $", "          budgets: $"),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert '"budgets"' in done.stdout
    assert lint(actionlint, text).stdout == ""


def test_the_job_for_gitlab_has_no_mistakes_and_one_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "job.yml"
    wrong.write_text(GITLAB.read_text().replace("when: always", "when: allways"))

    assert validate("vendor.gitlab-ci", GITLAB).returncode == 0
    assert validate("vendor.gitlab-ci", wrong).returncode == 1


def test_all_three_name_the_same_node_image_by_its_digest() -> None:
    image = read(ACTION)["inputs"]["image"]["default"]

    assert "@sha256:" in image
    assert image in GITLAB.read_text()


@pytest.mark.parametrize("name", ["entrypoint", "import-images", "kubelet-cgroups", "pod-routes"])
def test_a_script_of_the_node_image_has_no_mistakes(name: str) -> None:
    assert shellcheck((ROOT / "lab/artifacts/kind_files" / name).read_text()) == ""


def test_the_commands_that_are_copied_are_ones_that_lab_takes() -> None:
    from typer.testing import CliRunner

    from lab import cli

    for command in (["ci"], ["artifacts", "build"], ["up"]):
        told = CliRunner().invoke(cli.app, [*command, "--help"]).stdout
        assert {"--on", "--image"} <= set(told.split())
