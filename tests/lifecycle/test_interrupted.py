"""What a command that was cut short may have left half made is never taken for whole."""

import errno
import os
from pathlib import Path

import pytest

from lab.doctor import Finding
from lab.errors import LabError, ToolMissing
from lab.kube import kubeconfig
from lab.kube.identity import Identity
from lab.kube.kubeconfig import Access
from lab.lifecycle import fitness
from lab.lifecycle import record as records
from lab.lifecycle.bounds import Bounds
from lab.lifecycle.lab import Lab
from lab.lifecycle.lock import exclusive
from lab.lifecycle.record import Record
from lab.lifecycle.stop import stop
from lab.lifecycle.up import start
from lab.machines import keys
from lab.machines.nspawn import Disk
from lab.machines.topology import make_nodes
from lab.paths import Caller, Paths
from lab.progress import Silent

ACCESS = Access("https://127.0.0.1:6443", b"the CA", b"certificate", b"key")


@pytest.fixture
def lab(paths: Paths) -> Lab:
    paths.lab("lab").mkdir(parents=True)
    record = Record(
        name="lab",
        lab_id="zzzz",
        created="2026-01-01T00:00:00+00:00",
        node_count=2,
        distribution="kubeadm",
        version="v1.36.3",
        artifacts={},
        api_port=6443,
        identity=Identity(ACCESS.ca_sha256, "uid"),
        joined=("n1", "n2"),
    )
    records.save(paths, record)
    made = Lab.open(paths, record)
    made.write_kubeconfig(kubeconfig.render(ACCESS, name="admin"))
    return made


def test_a_disk_counts_only_when_all_files_are_on_it(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "n1")

    disk.make()
    assert not disk.upper.exists()
    disk.make()
    (disk.draft / "etc").mkdir()
    disk.complete()

    assert [entry.name for entry in disk.upper.iterdir()] == ["etc"]


@pytest.mark.parametrize("lost", ["login", "login.pub", "host-n1", "host-n1.pub"])
def test_a_key_of_which_half_is_missing_is_made_again(
    tmp_path: Path, caller: Caller, lost: str
) -> None:
    made = keys.make(tmp_path / "keys", make_nodes(1), owner=caller)
    (made.directory / lost).unlink()

    keys.make(tmp_path / "keys", make_nodes(1), owner=caller)

    assert (made.directory / lost).exists()
    assert made.host(make_nodes(1)[0]).with_suffix(".pub").read_text().split()[1] in (
        made.known_hosts.read_text()
    )


def test_the_labs_own_kubeconfig_is_known(lab: Lab) -> None:
    assert lab.has_own_kubeconfig()


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "",
        kubeconfig.render(Access("https://127.0.0.1:6443", b"other", b"c", b"k"), name="lab"),
        kubeconfig.render(Access("https://127.0.0.1:6444", b"the CA", b"c", b"k"), name="lab"),
    ],
    ids=["broken", "empty", "of another cluster", "to another port"],
)
def test_any_other_kubeconfig_is_not_the_labs_own(lab: Lab, content: str) -> None:
    lab.kubeconfig.write_text(content)

    assert not lab.has_own_kubeconfig()


def test_without_a_kubeconfig_there_is_none_of_its_own(lab: Lab) -> None:
    lab.kubeconfig.unlink()

    assert not lab.has_own_kubeconfig()


def test_a_lab_can_be_locked_on_a_full_disk(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("lab.lifecycle.lock.os.pwrite", fail)

    with exclusive(paths, "lab"):
        assert (paths.data / ".lab.lock").exists()


@pytest.mark.parametrize("command", [start, stop])
def test_a_half_removed_lab_is_neither_started_nor_stopped(
    paths: Paths, lab: Lab, monkeypatch: pytest.MonkeyPatch, command: object
) -> None:
    monkeypatch.setattr("lab.lifecycle.lab.os.geteuid", lambda: 0)
    lab.update(leaving="down")

    with pytest.raises(LabError, match="half removed") as caught:
        command(paths, "lab", progress=Silent())

    assert caught.value.hint == "lab down --name lab"


def test_all_missing_programs_are_named_at_once() -> None:
    found = [
        Finding("ip", True, "/sbin/ip", None),
        Finding("nft", False, "not found", "apt-get install nftables"),
        Finding("mmdebstrap", False, "not found", "apt-get install mmdebstrap", required=False),
        Finding("ssh", False, "not found", "apt-get install openssh-client"),
    ]

    with pytest.raises(ToolMissing, match=r"lacks what a lab needs: nft, ssh$"):
        fitness.require_programs(found)


def test_one_time_out_is_for_each_step() -> None:
    assert Bounds.of(7) == Bounds(7, 7, 7)
    assert Bounds.of(None) == Bounds()
