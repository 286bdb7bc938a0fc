"""Programs that a host must have: all that are called are asked for, and have a package."""

import re
from pathlib import Path

import pytest

from lab.provision import k3s, preflight
from lab.provision.preflight import Level
from lab.provision.preflight_programs import DIRECTORIES, PACKAGES, PROGRAMS
from tests.provision.fit_hosts import K3S, KUBEADM, findings, host

TEMPLATES = Path(k3s.__file__).parent / "templates"
SCRIPTS = {
    "k3s": ("k3s-*.sh.j2", "wait-for-k3s.sh.j2"),
    "kubeadm": ("kubeadm-once.sh.j2", "wait-for-api.sh.j2", "lab-routes.service.j2"),
}
# Called where it is there.
OPTIONAL = {"k3s": {"curl"}, "kubeadm": set()}


@pytest.mark.parametrize("distribution", list(SCRIPTS))
def test_each_known_program_that_the_scripts_call_is_asked_for(distribution: str) -> None:
    called = {each for each in PACKAGES if calls(each, text_of(distribution))}

    assert called
    assert called <= {*PROGRAMS[distribution], *OPTIONAL[distribution]}


def text_of(distribution: str) -> str:
    files = [file for glob in SCRIPTS[distribution] for file in TEMPLATES.glob(glob)]
    lines = "\n".join(file.read_text() for file in files).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def calls(program: str, text: str) -> bool:
    """Whether it stands where a command does: first, or after what begins one."""
    begin = r"(?:^|[|&;({!=]|\$\(|do|then|else|if)\s*"
    return re.search(rf"{begin}{re.escape(program)}(?= |$)", text, re.MULTILINE) is not None


def test_each_program_has_a_package() -> None:
    asked = {each for programs in PROGRAMS.values() for each in programs}

    assert asked == set(PACKAGES)
    assert all(each in preflight.script("kubeadm") for each in PROGRAMS["kubeadm"])


def test_missing_programs_are_an_error_with_the_packages_that_bring_them() -> None:
    found = findings(host(programs_missing="curl /sbin/ip iptables-save iptables-restore"), KUBEADM)

    assert [each.level for each in found] == [Level.ERROR]
    assert "curl, /sbin/ip, iptables-save, iptables-restore" in found[0].what
    assert found[0].remedy == (
        "on n1: apt-get install curl iproute2 iptables; or dnf install curl iproute iptables-nft"
    )


def test_a_host_cannot_have_anything_installed_by_saying_it_is_missing() -> None:
    found = findings(host(programs_missing="tar $(reboot) evil"), K3S)

    assert "apt-get install tar; or dnf install tar" in found[0].remedy
    assert findings(host(programs_missing="$(reboot)"), K3S) == []


@pytest.mark.parametrize("wanted", [K3S, KUBEADM])
def test_root_must_find_what_lab_puts_below_usr_local(wanted: preflight.Wanted) -> None:
    found = findings(host(path="/sbin:/bin:/usr/sbin:/usr/bin"), wanted)

    assert [each.level for each in found] == [Level.ERROR]
    assert "/usr/local/sbin, /usr/local/bin" in found[0].what
    assert "secure_path" in found[0].remedy
    assert findings(host(path=":".join(("/opt/bin", *DIRECTORIES))), wanted) == []
