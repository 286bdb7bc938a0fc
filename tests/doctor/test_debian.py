import os
from pathlib import Path

import pytest

from lab.doctor import debian_packages, fix, run_into
from lab.doctor.debian import Command, missing_packages
from lab.doctor.findings import Finding
from lab.errors import CommandFailed, HostUnfit, NotRoot

NO_NFT = Finding("nft", False, "not found", "apt-get ...")
NO_SSH = Finding("ssh", False, "not found", "apt-get ...")
INSTALL = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y")


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root directory that looks like Debian's with package lists, seen by root."""
    for name in ("etc/debian_version", "usr/bin/apt-get", "var/lib/apt/lists/x_Packages.lz4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


class Recorder:
    def __init__(self) -> None:
        self.commands: list[Command] = []

    def __call__(self, command: Command) -> None:
        self.commands.append(command)


def test_what_is_missing_is_installed_in_one_command(debian: Path) -> None:
    run = Recorder()

    commands = fix([NO_SSH, NO_NFT], run, root=debian)

    wanted = (*INSTALL, "--no-install-recommends", "nftables", "openssh-client")
    assert commands == run.commands == [wanted]


def test_package_lists_are_fetched_first_when_there_are_none(debian: Path) -> None:
    (debian / "var/lib/apt/lists/x_Packages.lz4").unlink()

    first, second = fix([NO_NFT], Recorder(), root=debian)

    assert first == ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "update")
    assert second[-1] == "nftables"


def test_nothing_is_run_when_nothing_is_missing(tmp_path: Path) -> None:
    full = Finding("disk", False, "full", "lab artifacts prune")
    advice = Finding("mmdebstrap", False, "not found", "apt-get ...", required=False)

    assert fix([full, advice, Finding("nft", True, "/x/nft")], Recorder(), root=tmp_path) == []


def test_another_distribution_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(HostUnfit, match=r"not a Debian host.*: nftables, openssh-client"):
        fix([NO_NFT, NO_SSH], Recorder(), root=tmp_path)


def test_without_root_nothing_is_installed(debian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(NotRoot) as caught:
        fix([NO_NFT], Recorder(), root=debian)

    assert caught.value.hint == "sudo lab doctor --fix"


def test_one_package_that_has_two_programs_is_asked_for_once() -> None:
    findings = [Finding("ip", False, ""), Finding("tc", False, "")]

    assert missing_packages(findings) == ("iproute2",)


def test_the_packages_of_an_empty_host_hold_every_program() -> None:
    assert debian_packages() == (
        "ca-certificates",
        "debian-archive-keyring",
        "iproute2",
        "mmdebstrap",
        "mount",
        "nftables",
        "openssh-client",
        "systemd-container",
        "util-linux",
    )


def test_a_command_that_works_is_only_seen_in_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = run_into(tmp_path / "log")

    run(("sh", "-c", "echo first; echo second >&2"))

    assert (tmp_path / "log").read_text() == "first\nsecond\n"
    assert capfd.readouterr() == ("", "")


def test_a_command_that_fails_shows_its_own_output_and_names_the_log(tmp_path: Path) -> None:
    run = run_into(tmp_path / "log")
    run(("echo", "earlier"))

    with pytest.raises(CommandFailed, match="exit status 3: no such package") as caught:
        run(("sh", "-c", "echo no such package; exit 3"))

    assert "earlier" not in caught.value.message
    assert caught.value.hint == f"less {tmp_path}/log"
