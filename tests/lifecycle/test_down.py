from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.errors import MachineError, NodeUnreachable, NoSpace
from lab.journal import Change
from lab.lifecycle import down, own_hosts
from lab.lifecycle import record as records
from lab.lifecycle.lab import Lab
from lab.lifecycle.record import Record
from lab.machines.host_failure import Failure, Kind
from lab.machines.hosts import Answer
from lab.machines.inventory import Host
from lab.machines.sandbox import Sandbox
from lab.paths import Paths
from lab.progress import Silent

RECORD = Record(
    name="lab",
    lab_id="zzzz",
    created="2026-01-01T00:00:00+00:00",
    node_count=3,
    distribution="kubeadm",
    version="v1.36.3",
    artifacts={},
)
# In the order in which `lab up` writes them.
STEPS = (
    ("sysctls", "zzzz"),
    ("network", "zzzz"),
    ("machine", "n1"),
    ("machine", "n2"),
    ("machine", "n3"),
    ("forwarder", "zzzz"),
)

Undone = list[tuple[str, str, str]]
"""Kind, what, and the id of the lab that the undo acted on."""


class Killed(BaseException):
    pass


@pytest.fixture
def undone(monkeypatch: pytest.MonkeyPatch) -> Undone:
    """Note each undo instead of acting on the host, which has nothing of this lab."""
    made: Undone = []

    def note(lab: Lab, change: Change) -> None:
        made.append((change.kind, change.what, lab.record.lab_id))

    for kind in down._UNDO:
        monkeypatch.setitem(down._UNDO, kind, note)
    monkeypatch.setattr(Sandbox, "power_off", lambda *_: None)
    return made


@pytest.fixture
def made(paths: Paths) -> Lab:
    return make(paths)


def make(paths: Paths) -> Lab:
    paths.lab("lab").mkdir(parents=True, exist_ok=True)
    records.save(paths, RECORD)
    lab = Lab.open(paths, RECORD)
    for kind, what in STEPS:
        lab.journal.intend(kind, what)
    return lab


def expected(steps: tuple[tuple[str, str], ...] = STEPS) -> Undone:
    return [(kind, what, "zzzz") for kind, what in reversed(steps)]


def remove(paths: Paths) -> int:
    return down.remove(paths, "lab", Silent())


def test_all_is_undone_newest_first_and_the_directory_goes_last(
    paths: Paths, made: Lab, undone: Undone
) -> None:
    assert remove(paths) == len(STEPS)

    assert undone == expected()
    assert not paths.lab("lab").exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(kept=st.integers(0, len(STEPS)))
def test_after_any_beginning_of_the_journal_the_order_is_right(
    paths: Paths, undone: Undone, kept: int
) -> None:
    journal = make(paths).directory / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:kept]))
    undone.clear()

    remove(paths)

    assert undone == expected(STEPS[:kept])


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_a_down_that_was_killed_is_gone_on_with(
    paths: Paths, made: Lab, undone: Undone, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    kind, what = STEPS[number]
    original = down._UNDO[kind]

    def die(lab: Lab, change: Change) -> None:
        if change.what == what:
            raise Killed
        original(lab, change)

    with monkeypatch.context() as patch:
        patch.setitem(down._UNDO, kind, die)
        with pytest.raises(Killed):
            remove(paths)
    assert records.load(paths, "lab").leaving == "down"

    remove(paths)

    assert undone == expected()


def fail(error: Exception) -> Callable[..., None]:
    def undo(*_: object) -> None:
        raise error

    return undo


def test_one_undo_that_fails_keeps_no_other_from_being_made_and_is_told(
    paths: Paths, made: Lab, undone: Undone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(down._UNDO, "machine", fail(MachineError("it is stuck")))

    with pytest.raises(MachineError, match="it is stuck"):
        remove(paths)

    assert [kind for kind, _, _ in undone] == ["forwarder", "network", "sysctls"]
    assert [change.what for change in made.journal.open_changes()] == ["n3", "n2", "n1"]


def test_a_full_disk_keeps_nothing_from_being_removed(
    paths: Paths, made: Lab, undone: Undone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.journal.Journal.undone", fail(NoSpace("full")))
    monkeypatch.setattr("lab.lifecycle.record.save", fail(NoSpace("full")))

    remove(paths)

    assert undone == expected()
    assert not paths.lab("lab").exists()


@pytest.mark.parametrize("content", ["", "{", '{"format": 99}', '{"format": 1}'])
def test_a_lab_whose_record_is_damaged_is_removed_by_its_journal(
    paths: Paths, made: Lab, undone: Undone, content: str
) -> None:
    (paths.lab("lab") / "lab.json").write_text(content)

    remove(paths)

    assert undone == expected()
    assert not paths.lab("lab").exists()


def test_a_lab_whose_journal_is_damaged_is_removed_by_its_record(
    paths: Paths, made: Lab, undone: Undone
) -> None:
    journal = paths.lab("lab") / "journal.jsonl"
    journal.write_text("{broken\n" + journal.read_text())

    remove(paths)

    assert undone == expected()
    assert not paths.lab("lab").exists()


def test_a_lab_whose_record_is_gone_is_removed_by_its_journal(
    paths: Paths, made: Lab, undone: Undone
) -> None:
    (paths.lab("lab") / "lab.json").unlink()

    remove(paths)

    assert undone == expected()


def test_a_directory_in_the_place_of_the_record_is_no_obstacle(
    paths: Paths, made: Lab, undone: Undone
) -> None:
    (paths.lab("lab") / "lab.json").unlink()
    (paths.lab("lab") / "lab.json").mkdir()

    remove(paths)

    assert undone == expected()
    assert not paths.lab("lab").exists()


def test_a_lab_without_a_record_changed_nothing_yet(paths: Paths, undone: Undone) -> None:
    paths.lab("lab").mkdir(parents=True)

    assert remove(paths) == 0
    assert not paths.lab("lab").exists()


def test_what_is_being_removed_does_not_count_as_complete() -> None:
    whole = replace(RECORD, joined=("n1", "n2", "n3"))

    assert whole.is_complete
    assert not replace(whole, leaving="down").is_complete
    assert replace(whole, leaving="stop").is_complete


HOSTS = {
    number: Host(
        name=f"k{number}",
        address=f"192.0.2.{number}",
        user="root",
        port=22,
        key=None,
        known_hosts=None,
        is_server=number == 1,
        sudo=False,
        data={},
        hostname=f"k{number}",
        known_as=f"k{number}",
    )
    for number in (1, 2, 3)
}


@pytest.fixture
def on_hosts(paths: Paths) -> Lab:
    paths.lab("lab").mkdir(parents=True)
    record = RECORD.with_hosts(HOSTS)
    records.save(paths, record)
    lab = Lab.open(paths, record)
    for host in HOSTS.values():
        lab.journal.intend(
            "host", host.name, host=host.to_dict(), owner="zzzz lab", distribution="kubeadm"
        )
    return lab


Ran = dict[str, str]
"""Name of the host → the script that it was given."""


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Take note of scripts instead of running them; k2 cannot be reached."""
    scripts: Ran = {}

    def run_on_all(hosts: list[Host], script: str, **_: object) -> dict[str, Answer | Failure]:
        scripts.update({host.name: script for host in hosts})
        gone = {
            host.name: Failure(Kind.UNREACHABLE, host, "connection refused", "ssh k2")
            for host in hosts
            if host.name == "k2"
        }
        return {host.name: Answer("", "") for host in hosts} | gone

    monkeypatch.setattr("lab.machines.hosts.run_on_all", run_on_all)
    return scripts


@pytest.mark.usefixtures("on_hosts")
def test_all_is_taken_off_machines_of_an_inventory_and_one_that_is_gone_is_named(
    paths: Paths, ran: Ran
) -> None:
    with pytest.raises(NodeUnreachable, match="k2"):
        remove(paths)

    assert sorted(ran) == ["k1", "k2", "k3"]
    assert all("'zzzz lab'" in script for script in ran.values())
    assert [c.what for c in Lab.load(paths, "lab").journal.open_changes()] == ["k2"]


@pytest.mark.usefixtures("on_hosts", "ran")
def test_a_machine_that_is_gone_for_good_is_forgotten_by_force(paths: Paths) -> None:
    down.remove(paths, "lab", Silent(), force=True)

    assert not paths.lab("lab").exists()


def test_machines_are_given_back_also_without_a_record(
    paths: Paths, on_hosts: Lab, ran: Ran
) -> None:
    (on_hosts.directory / "lab.json").write_text("{")

    down.remove(paths, "lab", Silent(), force=True)

    assert sorted(ran) == ["k1", "k2", "k3"]


def test_machines_are_given_back_also_with_a_journal_that_is_damaged(
    paths: Paths, on_hosts: Lab, ran: Ran
) -> None:
    journal = on_hosts.directory / "journal.jsonl"
    journal.write_text("{broken\n" + journal.read_text())

    down.remove(paths, "lab", Silent(), force=True)

    assert sorted(ran) == ["k1", "k2", "k3"]
    assert all("'zzzz lab'" in script for script in ran.values())


def test_a_machine_is_logged_in_to_as_the_record_has_it_now(
    on_hosts: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []

    def run_on_all(hosts: list[Host], script: str, **_: object) -> dict[str, Answer]:
        used.extend(f"{host.user}@{host.name}" for host in hosts)
        return {host.name: Answer("", "") for host in hosts}

    monkeypatch.setattr("lab.machines.hosts.run_on_all", run_on_all)
    on_hosts.set_hosts({1: replace(HOSTS[1], user="ops"), 2: HOSTS[2]})

    # k3 was removed from the lab while it was off.
    own_hosts.take_off(on_hosts, on_hosts.journal.open_changes())

    assert sorted(used) == ["ops@k1", "root@k2", "root@k3"]


def test_a_machine_that_is_being_removed_need_not_be_reached(on_hosts: Lab, ran: Ran) -> None:
    on_hosts.update(removing=2)

    own_hosts.require_reachable(on_hosts)

    assert sorted(ran) == ["k1", "k3"]


@pytest.mark.usefixtures("on_hosts")
def test_each_machine_that_is_given_back_is_told_beside_how_it_was(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_on_all(hosts: list[Host], script: str, **_: object) -> dict[str, Answer]:
        said = {"k1": "lab-compared:\nlab-compared: + link left0\n", "k2": "lab-compared:\n"}
        return {host.name: Answer(said.get(host.name, ""), "") for host in hosts}

    monkeypatch.setattr("lab.machines.hosts.run_on_all", run_on_all)

    removed = down.down(paths, "lab", progress=Silent())

    assert [host.text for host in removed.hosts] == [
        "k1: differs from before: + link left0",
        "k2: nothing differs from before",
        "k3: not compared, nothing was noted of how it was before",
    ]
