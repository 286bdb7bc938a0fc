import subprocess
from pathlib import Path

import pytest

from lab.lifecycle.inspection import judge_authorities
from lab.machines.host_failure import Failure, Kind
from lab.machines.hosts import Ssh
from lab.machines.inventory import Host
from lab.provision.preflight import read_facts

FACTS = read_facts("", began=0.0, ended=0.0)


def host(known_hosts: Path, port: int = 22) -> Host:
    return Host(
        name="k1",
        address="192.0.2.11",
        user="root",
        port=port,
        key=None,
        known_hosts=known_hosts,
        is_server=True,
        sudo=False,
        data={},
        hostname="k1.example",
        known_as="k1.example" if port == 22 else f"[k1.example]:{port}",
    )


@pytest.fixture
def key(tmp_path: Path) -> str:
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    return " ".join(file.with_suffix(".pub").read_text().split()[:2])


@pytest.mark.parametrize("names", ["k1.example", "*.example", "other,k1.*"])
def test_a_host_that_only_an_authority_knows_is_told_with_how_its_key_becomes_known(
    tmp_path: Path, key: str, names: str
) -> None:
    known = tmp_path / "known hosts"
    known.write_text(f"@cert-authority {names} {key}\n")

    (finding,) = judge_authorities([host(known)], {"k1": FACTS}, Ssh(tmp_path))

    assert f"@cert-authority in {known}" in finding.what
    assert finding.remedy.startswith(f"ssh-keyscan -p 22 k1.example >> '{known}'")


def test_a_host_whose_own_key_is_known_too_is_fine(tmp_path: Path, key: str) -> None:
    known = tmp_path / "known"
    known.write_text(f"@cert-authority *.example {key}\n[k1.example]:2222 {key}\n")

    assert list(judge_authorities([host(known, 2222)], {"k1": FACTS}, Ssh(tmp_path))) == []


def test_an_authority_for_other_hosts_is_not_blamed(tmp_path: Path, key: str) -> None:
    known = tmp_path / "known"
    known.write_text(f"@cert-authority *.other {key}\n")

    assert list(judge_authorities([host(known)], {"k1": FACTS}, Ssh(tmp_path))) == []


def test_of_a_host_that_cannot_be_reached_only_that_is_told(tmp_path: Path, key: str) -> None:
    known = tmp_path / "known"
    known.write_text(f"@cert-authority *.example {key}\n")
    away = Failure(Kind.UNREACHABLE, host(known), "connection refused", "ssh k1")

    assert list(judge_authorities([host(known)], {"k1": away}, Ssh(tmp_path))) == []
