import stat
from pathlib import Path

import pytest

from lab.machines import node_files
from lab.machines.keys import Keys
from lab.machines.topology import make_nodes

NODES = make_nodes(3)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    keys = Keys(tmp_path)
    keys.login.with_suffix(".pub").write_text("ssh-ed25519 LOGIN lab\n")
    for node in NODES:
        keys.host(node).write_text("PRIVATE\n")
        keys.host(node).with_suffix(".pub").write_text("ssh-ed25519 HOST lab\n")
    return keys


def test_a_node_knows_its_name_and_every_others_address(keys: Keys) -> None:
    files = node_files.make_files("abcd", NODES[1], keys)

    assert files["etc/hostname"].content == "n2\n"
    assert "10.77.0.13 n3" in files["etc/hosts"].content


def test_a_node_has_no_name_server_to_wait_for(keys: Keys) -> None:
    assert node_files.make_files("abcd", NODES[0], keys)["etc/resolv.conf"].content == ""


def test_every_node_of_every_lab_is_another_machine() -> None:
    ids = {node_files.machine_id(lab, node) for lab in ("abcd", "efgh") for node in NODES}

    assert len(ids) == 6


def test_private_keys_are_readable_by_root_only(keys: Keys, tmp_path: Path) -> None:
    upper = tmp_path / "upper"

    node_files.write(upper, node_files.make_files("abcd", NODES[0], keys))

    assert stat.S_IMODE((upper / "etc/ssh/ssh_host_ed25519_key").stat().st_mode) == 0o600
    assert stat.S_IMODE((upper / "root/.ssh").stat().st_mode) == 0o700


def test_the_boot_unit_is_wanted_and_sets_the_nodes_address(keys: Keys, tmp_path: Path) -> None:
    upper = tmp_path / "upper"

    node_files.write(upper, node_files.make_files("abcd", NODES[0], keys))

    wanted = upper / "etc/systemd/system/sysinit.target.wants/lab-boot.service"
    assert "ip addr replace 10.77.0.11/24 dev host0" in wanted.read_text()
