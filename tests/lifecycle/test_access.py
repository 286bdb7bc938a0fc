import pytest

from lab.errors import MachineError, NodeUnreachable, NoSuchNode
from lab.lifecycle import access
from lab.lifecycle import record as records
from lab.lifecycle.record import Record
from lab.paths import Paths


@pytest.fixture(autouse=True)
def lab_that_never_booted(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.lifecycle.access.require_root", lambda *_, **__: None)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    paths.lab("lab").mkdir(parents=True)
    records.save(paths, Record("lab", "zzzz", "", 2, "kubeadm", "v1.36.3", {}))


@pytest.mark.parametrize("console", [True, False])
def test_the_logs_of_a_node_that_never_booted_are_not_there_yet(
    paths: Paths, console: bool
) -> None:
    with pytest.raises(MachineError, match="n2 has not booted yet") as caught:
        access.logs_command(paths, "lab", "n2", unit=None, lines=10, follow=False, console=console)

    assert caught.value.hint == "lab up --name lab"


def test_a_node_without_power_cannot_be_logged_in_to(paths: Paths) -> None:
    with pytest.raises(NodeUnreachable, match="n1 is powered off"):
        access.ssh_command(paths, "lab", "n1")


def test_a_node_that_the_lab_has_not_is_named_with_those_it_has(paths: Paths) -> None:
    with pytest.raises(NoSuchNode, match="no node 'n9' in this lab; it has n1, n2"):
        access.ssh_command(paths, "lab", "n9")
