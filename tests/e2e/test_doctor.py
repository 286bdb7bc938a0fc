"""The preconditions are tried on the real kernel, and trying leaves nothing behind."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from lab.doctor import examine, kernel, network, throwaway
from lab.doctor.findings import Finding
from lab.errors import CommandFailed, ToolMissing
from lab.machines.commands import run
from lab.paths import Caller, Paths
from lab.residue import Difference, compare, take_fingerprint

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


def test_trying_leaves_nothing_on_the_host(paths: Paths, tmp_path: Path) -> None:
    def what_changes() -> list[Difference]:
        before = take_fingerprint(paths=paths)
        look(paths)
        return compare(before, take_fingerprint(paths=paths))

    what_changes()  # loads the modules

    # What the doctor leaves it leaves every time; what others do meanwhile does not repeat.
    seen: list[list[Difference]] = []
    while not seen or (seen[-1] and len(seen) < 3):
        seen.append(what_changes())
    assert seen[-1] == []
    assert list(tmp_path.iterdir()) == []


@contextmanager
def mounted(place: Path, *argv: str) -> Iterator[Path]:
    place.mkdir()
    run(["mount", *argv, str(place)])
    try:
        yield place
    finally:
        run(["umount", str(place)])


def test_data_on_an_overlay_is_found_unfit(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    options = ",".join(f"{name}dir={tmp_path / name}" for name in ("lower", "upper", "work"))

    with mounted(tmp_path / "root", "-t", "overlay", "overlay", "-o", options) as place:
        finding = kernel.overlay(place / "lab")

    assert not finding.ok
    assert f"no overlay can be used below {tmp_path}/root, on overlay" in finding.detail
    assert (finding.fix or "").startswith("export XDG_DATA_HOME=")


@pytest.mark.parametrize(
    ("option", "reason"), [("noexec", "(noexec)"), ("ro", "Read-only file system")]
)
def test_data_where_nodes_cannot_work_is_found_unfit(
    tmp_path: Path, option: str, reason: str
) -> None:
    with mounted(tmp_path / "t", "-t", "tmpfs", "-o", option, "tmpfs") as place:
        finding = kernel.overlay(place / "lab")
        left = list(place.iterdir())

    assert (finding.ok, left) == (False, [])
    assert reason in finding.detail


def test_rules_that_the_kernel_refuses_are_not_taken_for_working() -> None:
    with pytest.raises(CommandFailed, match="exit status 1"):
        throwaway.in_network("nft", "-f", "-", work="table inet x { chain c { bogus; }; }\n")


def test_a_missing_program_is_no_refusal_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ToolMissing, match="'nft'"):
        network.nftables()


def test_without_root_there_is_one_finding_for_all_that_root_would_try(
    as_nobody: None,
) -> None:
    place = Path("/nonexistent")
    found = look(Paths(Caller(65534, 65534, place), place, place, place))

    assert (found["root"].ok, found["root"].required) == (False, True)
    assert (found["root"].fix or "").endswith(("sudo lab up", "su -c 'lab up'"))
    assert not TRIED_BY_ROOT & found.keys()
    assert [name for name, f in found.items() if f.required and not f.ok] == ["root"]


def test_a_lab_that_is_there_is_told(paths: Paths) -> None:
    paths.lab("default").mkdir(parents=True)
    (paths.lab("default") / "lab.json").touch()

    finding = look(paths)["lab"]

    assert (finding.ok, finding.required) == (True, False)
    assert finding.detail == f"there is a lab in {paths.lab('default')}"
