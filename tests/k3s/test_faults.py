"""What the stand-in does wrong when a test asks for it, and what lab makes of its words."""

import pytest

from lab.provision.diagnosis import Kind, diagnose
from tests.k3s.conftest import Hosts
from tests.k3s.processes import until

pytestmark = pytest.mark.timeout(300)


def test_it_says_a_line_and_goes_on_or_ends(host: Hosts) -> None:
    n1 = host("n1")
    n1.misbehave(say="something is odd")
    running = n1.server()
    running.until_ready()
    assert running.said("something is odd") == 1

    n1.misbehave(say="something is odd", die=True)
    assert "something is odd" in n1.start("server").ended()


def test_it_is_ready_later(host: Hosts) -> None:
    n1 = host("n1")
    n1.misbehave(slow=8)
    running = n1.server()

    until(n1.file("/etc/rancher/k3s/k3s.yaml").exists)
    assert not running.ready
    running.until_ready()


def test_a_clock_that_is_behind_finds_certificates_not_yet_valid(host: Hosts) -> None:
    n1, n2 = host("n1"), host("n2")
    n1.misbehave(skew=3600)
    n1.server(token="secret")
    until(n1.file("/etc/rancher/k3s/k3s.yaml").exists)

    agent = n2.agent(n1, "secret")

    agent.until_said("x509: certificate has expired or is not yet valid", times=2)
    assert not agent.ready
    found = diagnose(agent.journal.read_text(), node="n2", distribution="k3s")
    assert found
    assert found.kind is Kind.CLOCK_SKEW


def test_kernel_settings_that_cannot_be_written_end_it(host: Hosts) -> None:
    n1 = host("n1")
    n1.misbehave(sysctl=True)

    found = diagnose(n1.server().ended(), node="n1", distribution="k3s")

    assert found
    assert found.kind is Kind.READ_ONLY_SYSCTL


def test_a_full_disk_is_a_condition_of_the_node(host: Hosts) -> None:
    n1 = host("n1")
    n1.misbehave(pressure=True)
    running = n1.server()
    running.until_ready()

    until(lambda: "n1" in n1.run("kubectl", "get", "nodes").stdout)
    assert n1.conditions("n1")["DiskPressure"] == "True"
    found = diagnose(running.journal.read_text(), node="n1", distribution="k3s")
    assert found
    assert found.kind is Kind.DISK_PRESSURE
