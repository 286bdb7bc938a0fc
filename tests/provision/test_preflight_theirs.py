"""Whose is what is on a host? Another lab's and other people's are left alone, and named."""

import pytest

from lab.provision import node
from lab.provision.kubeadm import PROGRAMS
from lab.provision.preflight import Level, Wanted, errors, script
from lab.provision.preflight_theirs import CLAIMED
from tests.provision.fit_hosts import K3S, KUBEADM, findings, host

SERVERS = frozenset(["n1"])
MINE = Wanted("kubeadm", SERVERS, owner="abcd")


@pytest.mark.parametrize("kind", ["k3s", "kubeadm"])
def test_a_cluster_of_somebody_else_is_refused_unless_it_is_to_be_adopted(kind: str) -> None:
    taken = host("n1", f"{kind}=/etc/one", f"{kind}=/etc/two")

    found = findings(taken)

    assert "/etc/one, /etc/two" in found[0].what
    assert found[0].level is Level.ERROR
    # Another distribution's cannot be adopted: two kubelets do not go together.
    expected = Level.WARNING if kind == "k3s" else Level.ERROR
    assert [each.level for each in findings(taken, Wanted("k3s", SERVERS, adopt=True))] == [
        expected
    ]


def test_a_kubeadm_cluster_of_somebody_else_is_never_adopted() -> None:
    taken = host(kubeadm="/etc/kubernetes/admin.conf")

    assert len(errors(findings(taken, Wanted("kubeadm", SERVERS, adopt=True)))) == 1


def test_a_lab_of_another_distribution_is_not_made_over() -> None:
    taken = host(ours="kubeadm", kubeadm="/etc/kubernetes/admin.conf")

    assert "a node of a lab with kubeadm" in findings(taken)[0].what
    assert findings(taken, KUBEADM) == []


@pytest.mark.parametrize("distribution", ["k3s", "kubeadm"])
@pytest.mark.parametrize("owner", ["", "wxyz"])
def test_a_host_of_another_lab_is_refused_and_only_that_is_said(
    distribution: str, owner: str
) -> None:
    taken = host(
        "n1",
        *("ours=kubeadm", "kubeadm=/etc/kubernetes/admin.conf", "foreign=/usr/bin/dockerd"),
        *("taken=/etc/containerd/config.toml", "owner=abcd demo"),
        listening="tcp/192B tcp/280A",
    )

    found = findings(taken, Wanted(distribution, SERVERS, owner=owner))

    assert [each.what for each in found] == ["it is a node of the lab demo (abcd)"]
    assert found[0].level is Level.ERROR
    assert found[0].remedy == "lab list, lab down --name demo, where that lab was made"


@pytest.mark.parametrize("owner", ["", "abcd", "ABCD demo", "abcd $(reboot)", "abcd demo more"])
def test_an_owner_that_names_no_lab_is_no_reason_to_take_the_host(owner: str) -> None:
    found = findings(host("n1", f"owner={owner}"), MINE)

    assert [each.level for each in found] == [Level.ERROR]
    assert "/var/lib/lab/owner names no lab" in found[0].what
    assert "reboot" not in found[0].remedy


def test_a_host_of_this_lab_may_have_all_that_lab_puts_there() -> None:
    node_of_ours = host(
        "n1",
        *("owner=abcd demo", "ours=kubeadm", "kubeadm=/etc/kubernetes/admin.conf"),
        *("taken=/etc/containerd/config.toml", "taken=/etc/systemd/system/kubelet.service"),
        listening="tcp/192B tcp/280A tcp/094B tcp/094C",
        memory="2000000 200000",
    )
    begun = host("n1", "owner=abcd demo", "taken=/etc/systemd/system/containerd.service")

    assert findings(node_of_ours, MINE) == []
    assert findings(begun, MINE) == []


def test_a_cluster_that_lab_has_no_mark_of_is_somebody_elses_also_on_a_host_of_this_lab() -> None:
    found = findings(host("n1", "owner=abcd demo", "kubeadm=/etc/kubernetes/admin.conf"), MINE)

    assert [each.level for each in found] == [Level.ERROR]


def test_without_an_owner_the_marks_of_lab_count_as_before() -> None:
    made = host(
        "n1",
        *("ours=kubeadm", "kubeadm=/etc/kubernetes/admin.conf"),
        "taken=/etc/containerd/config.toml",
    )

    assert findings(made, MINE) == []


@pytest.mark.parametrize("kind", ["taken", "foreign"])
def test_what_kubeadm_would_collide_with_is_named_and_k3s_does_not_mind(kind: str) -> None:
    occupied = host("n1", f"{kind}=/etc/one", f"{kind}=/etc/two")

    found = findings(occupied, KUBEADM)

    assert [each.level for each in found] == [Level.ERROR]
    assert "/etc/one, /etc/two" in found[0].what
    assert "lab up --distribution k3s" in found[0].remedy
    assert findings(occupied, K3S) == []


def test_what_came_to_a_node_of_this_lab_later_does_not_stop_its_repair() -> None:
    docker = host("n1", "owner=abcd demo", "foreign=/usr/lib/systemd/system/containerd.service")

    assert [each.level for each in findings(docker, MINE)] == [Level.WARNING]


def test_all_that_lab_writes_on_a_node_is_looked_at() -> None:
    written = {*node.FILES, *node.PROGRAMS, *(f"/usr/local/bin/{name}" for name in PROGRAMS)}

    assert written <= set(CLAIMED)
    assert all(path in script("kubeadm") for path in written)
