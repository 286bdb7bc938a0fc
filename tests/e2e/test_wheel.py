"""What users install: does the wheel hold all that lab reads at run time?"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*pip, directory, ROOT], check=True, capture_output=True)
    return next(directory.glob("*.whl"))


@pytest.mark.parametrize(
    "name",
    [
        "lab/_content/manifests/coredns/50-deployment.yaml.j2",
        "lab/_content/inventories/sandbox.py",
        "lab/_content/manifests/chirps/values.schema.json",
        "lab/_content/manifests/chirps/profiles/lab-good.yaml",
        "lab/_content/scenarios/half-migrated-rename/scenario.py",
        "lab/_content/scenarios/half-migrated-rename/guide.md",
        "lab/artifacts/python/requirements.txt",
        "lab/artifacts/python/postgres_entrypoint.py",
        "lab/chirps/migrations/base/00001_users.sql",
        "lab/report/templates/report.js",
        "lab/report/vendor/uplot/uPlot.iife.min.js",
        "lab/report/vendor/uplot/LICENSE",
        "lab/artifacts/modules/kubernetes/go.sum",
        "lab/provision/templates/kubeadm-init.yaml.j2",
        "lab/py.typed",
    ],
)
def test_the_wheel_holds(wheel: Path, name: str) -> None:
    assert name in zipfile.ZipFile(wheel).namelist()


def test_nothing_but_lab_is_put_at_the_top_level(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"lab"}


def test_lab_finds_its_manifests_where_the_wheel_puts_them(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    render = "manifests.render('coredns', coredns_image='i', cluster_dns='10.96.0.10')"
    program = f"from lab.kube import manifests; print(len({render}), manifests.__file__)"

    count, file = run(tmp_path, "-c", program).split()

    assert int(count) == 6
    assert file.startswith(str(tmp_path))


def test_lab_finds_its_scenarios_where_the_wheel_puts_them(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)

    shown = run(tmp_path, "-m", "lab", "scenario", "show", "half-migrated-rename")

    assert "careless: predicted to be reproduced" in shown


def run(unpacked: Path, *arguments: str) -> str:
    """Return what this Python prints with the unpacked wheel in place of the checkout."""
    done = subprocess.run(
        [sys.executable, "-P", *arguments],
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        cwd=unpacked,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout
