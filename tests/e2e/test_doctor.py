"""The preconditions are tried on the real kernel, and trying leaves nothing behind."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from lab.doctor import examine, kernel, network, throwaway
from lab.doctor.findings import Finding
from lab.errors import ToolMissing
from lab.machines.commands import run
from lab.paths import Caller, Paths
from lab.residue import Kind, compare, take_fingerprint

pytestmark = pytest.mark.e2e

TRIED_BY_ROOT = {
    "cgroups",
    "namespaces",
    "overlay",
    "kmsg",
    "bridge",
    "nftables",
    "services",
    "netem",
}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    home = tmp_path / "home"
    return Paths(Caller(0, 0, home), home / "cache", home / "data", home / "state")


@pytest.fixture
def as_nobody() -> Iterator[None]:
    os.seteuid(65534)
    yield
    os.seteuid(0)


def look(paths: Paths, *, within_s: float = 30) -> dict[str, Finding]:
    found = examine(paths=paths, lab_dir=paths.lab("default"), within_s=within_s)
    return {finding.name: finding for finding in found}


def test_a_host_that_runs_nodes_is_found_fit(paths: Paths) -> None:
    found = look(paths)

    unfit = [f for f in found.values() if f.required and not f.ok]
    assert unfit == []
    assert found.keys() >= TRIED_BY_ROOT | {"root", "linux", "nft", "go", "disk", "memory"}


def test_every_failed_finding_says_what_to_do_and_travels_as_json(paths: Paths) -> None:
    found = list(look(paths).values())

    assert all(finding.fix for finding in found if not finding.ok)
    assert [Finding(**json.loads(json.dumps(asdict(f)))) for f in found] == found


def test_everything_is_tried_in_less_than_two_seconds(paths: Paths) -> None:
    started = time.monotonic()
    look(paths, within_s=1.9)

    assert time.monotonic() - started < 2


def test_trying_leaves_nothing_on_the_host(paths: Paths) -> None:
    look(paths)  # so that modules are loaded already
    before = take_fingerprint(paths=paths)
    look(paths)
    found = compare(before, take_fingerprint(paths=paths))

    marks = ("doctor", "nspawn", "host0", "vb-")
    assert [d for d in found if any(mark in d.what for mark in marks)] == []
    assert list(paths.cache.parent.parent.iterdir()) == []


def test_an_overlay_on_an_overlay_is_refused_or_really_works(tmp_path: Path) -> None:
    outer = mount_overlay(tmp_path)
    try:
        finding = kernel.overlay(outer / "data/lab")
        kept = subprocess.run(["touch", str(outer / "x")], check=False).returncode
    finally:
        run(["umount", str(outer)])

    assert kept == 0
    assert "on overlay" in finding.detail
    assert finding.ok is can_nest(tmp_path)
