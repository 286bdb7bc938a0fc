from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.errors import HostUnfit, NodeUnreachable
from lab.lifecycle import own_hosts
from lab.lifecycle import record as records
from lab.lifecycle.lab import Lab
from lab.lifecycle.record import Record
from lab.machines.host_failure import Failure, Kind
from lab.machines.hosts import Answer
from lab.machines.inventory import Host
from lab.paths import Paths
from lab.progress import Silent
from lab.provision.distribution import choose
from lab.provision.kubeadm_phases import Kubeadm
from lab.provision.phases import Parcel

RECORD = Record(
    name="mine",
    lab_id="abcd",
    created="2026-01-01T00:00:00+00:00",
    node_count=2,
    distribution="kubeadm",
    version="v1.36.3",
    artifacts={},
    joined=("k1",),
)

OWNERS = {"k1": "abcd mine\n", "k7": "efgh other\n"}
"""Name of the host → the mark on it; the others have none."""

Ran = list[tuple[str, str]]
"""Name of the host and the first words of what ran there, or the file that was sent."""


def host(name: str, *, server: bool = False) -> Host:
    return Host(
        name=name,
        address=f"192.0.2.{name[1:]}",
        user="ops",
        port=22,
        key=None,
        known_hosts=None,
        is_server=server,
        sudo=True,
        data={},
        hostname=name,
        known_as=name,
    )


@pytest.fixture
def lab(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr("lab.machines.hosts.known_keys", lambda host, ssh: f"{host.name} key\n")
    paths.lab("mine").mkdir(parents=True)
    record = RECORD.with_hosts({1: host("k1", server=True), 2: host("k2")})
    records.save(paths, record)
    return Lab.open(paths, record)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Note what is run and sent; k9 cannot be reached, and of two parcels the second is missing."""
    seen: Ran = []

    def run(host: Host, script: str, **_: object) -> Answer | Failure:
        if host.name == "k9":
            return Failure(Kind.UNREACHABLE, host, "connection refused", "ssh k9")
        if script == own_hosts.OWNER:
            return Answer(OWNERS.get(host.name, ""), "")
        what = "uninstall" if "kubepods" in script else "mark" if "sysctls" in script else "ask"
        seen.append((host.name, what))
        return Answer("1\n" if what == "ask" else "", "")

    def run_on_all(hosts: Sequence[Host], script: str, **_: object) -> dict[str, Answer | Failure]:
        return {host.name: run(host, script) for host in hosts}

    def send(host: Host, file: Path, target: str, **_: object) -> Answer:
        seen.append((host.name, f"{file} to {target}"))
        return Answer("", "")

    for name, double in (("run", run), ("run_on_all", run_on_all), ("send", send)):
        monkeypatch.setattr(f"lab.machines.hosts.{name}", double)
    return seen


def open_changes(lab: Lab) -> list[tuple[str, str]]:
    return [(change.kind, change.what) for change in lab.journal.open_changes()]


@pytest.mark.usefixtures("ran")
def test_what_is_about_to_be_put_on_is_written_down_with_all_that_taking_it_off_needs(
    lab: Lab,
) -> None:
    own_hosts.ready(lab)

    (change,) = lab.journal.open_changes()
    assert (change.kind, change.what) == ("host", "k2")
    assert change.undo == {
        "host": host("k2").to_dict(),
        "owner": "abcd mine",
        "distribution": "kubeadm",
    }
    assert lab.keys.known_hosts.read_text() == "k1 key\nk2 key\n"


def test_a_host_that_could_not_be_given_back_is_when_it_joins_again(lab: Lab, ran: Ran) -> None:
    own_hosts.ready(lab)
    lab.journal.intend(own_hosts.LEFT, "k2")

    own_hosts.ready(lab)

    assert ran == [("k2", "uninstall")]
    assert open_changes(lab) == [("host", "k2")]


def test_a_host_that_goes_on_after_an_interruption_is_not_given_back(lab: Lab, ran: Ran) -> None:
    own_hosts.ready(lab)
    own_hosts.ready(lab)

    assert ran == []


def test_a_host_is_marked_before_anything_is_sent_and_gets_only_what_it_lacks(
    lab: Lab, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcels = tuple(Parcel(f"/cache/{n}", f"/stage/{n}", "0" * 64, "false") for n in "ab")
    monkeypatch.setattr(Kubeadm, "parcels", lambda *_: parcels)

    own_hosts.send(lab, choose("kubeadm"), lab.record.nodes[1:], Silent())

    assert ran == [("k2", "mark"), ("k2", "ask"), ("k2", "/cache/b to /stage/b")]


@pytest.mark.usefixtures("ran")
def test_a_host_that_is_being_removed_may_be_gone_and_no_other(lab: Lab) -> None:
    lab.set_hosts({**lab.record.hosts, 9: host("k9")})

    with pytest.raises(NodeUnreachable, match="k9"):
        own_hosts.require_reachable(lab)
    lab.update(removing=9)
    own_hosts.require_reachable(lab)


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize("number", [7, 8])
def test_a_node_whose_machine_was_made_anew_is_told_with_what_takes_it_back_in(
    lab: Lab, number: int
) -> None:
    name = f"k{number}"
    lab.set_hosts({**lab.record.hosts, number: host(name)})
    own_hosts.require_reachable(lab)
    lab.update(joined=("k1", name))

    with pytest.raises(HostUnfit, match=f"^{name}: part of lab 'mine', .* made anew") as told:
        own_hosts.require_reachable(lab)

    assert told.value.hint == (
        f"lab node remove --name mine --force {name}; then lab up --name mine --inventory FILE"
    )


@pytest.mark.usefixtures("ran")
def test_without_the_first_server_the_cluster_has_to_be_made_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_hosts.require_reachable(lab)
    monkeypatch.delitem(OWNERS, "k1")

    with pytest.raises(HostUnfit, match=r"^k1: ") as told:
        own_hosts.require_reachable(lab)

    assert str(told.value.hint).startswith("lab down --name mine; then lab up")
