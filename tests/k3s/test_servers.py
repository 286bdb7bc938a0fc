"""Servers that join: etcd's learners, critical values, rebuilt ones, and what they share."""

import re

import pytest

from lab.kube import nodes as kube_nodes
from tests.k3s.conftest import Hosts
from tests.k3s.processes import Host, Running, until

pytestmark = pytest.mark.timeout(300)

MISMATCH = (
    "failed to validate server configuration: critical configuration value mismatch between servers"
)
LEARNERS = (
    "Waiting for other members to finish joining etcd cluster: "
    "etcdserver: too many learner members in cluster"
)


def names(server: Host) -> list[str]:
    return [node.name for node in kube_nodes.list_nodes(server.client())]


def first(host: Host, **keys: object) -> Running:
    running = host.server(token="secret", cluster_init=True, **keys)
    running.until_ready()
    # A server says so before its own node is there.
    until(lambda: host.name in names(host))
    return running


def joining(host: Host, server: Host, **keys: object) -> Running:
    return host.server(token="secret", server=server.url, **keys)


def until_votes(server: Host, name: str) -> None:
    until(lambda: server.conditions(name).get("EtcdIsVoter") == "True")


def test_a_server_is_ready_when_it_votes_and_every_server_knows_all(host: Hosts) -> None:
    n1, n3 = host("n1"), host("n3")
    n1.misbehave(learn=4)
    first(n1)

    second = joining(n3, n1)
    second.until_ready()

    before, _, _ = second.journal.read_text().partition("k3s is up and running")
    assert "not yet been promoted from learner to voting member" in before
    for each in (n1, n3):
        until_votes(each, "n3")
        assert names(each) == ["n1", "n3"]
    assert n1.token() == n3.token()


def test_a_second_learner_waits_for_the_first_one(host: Hosts) -> None:
    n1, n3, n4 = host("n1"), host("n3"), host("n4")
    n1.misbehave(learn=600)
    first(n1)
    learner = joining(n3, n1)
    learner.until_said("not yet been promoted")

    waiting = joining(n4, n1)

    waiting.until_said(LEARNERS, times=2)
    assert waiting.process.poll() is None
    assert not waiting.ready
    assert not learner.ready


def test_servers_one_after_the_other_never_wait(host: Hosts) -> None:
    n1, n3, n4 = host("n1"), host("n3"), host("n4")
    n1.misbehave(learn=2)
    first(n1)
    for each in (n3, n4):
        running = joining(each, n1)
        running.until_ready()
        assert running.said(LEARNERS) == 0


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ({"cluster_cidr": "10.50.0.0/16"}, "cluster-cidr"),
        ({"disable": ["servicelb"]}, "disable=servicelb"),
        ({"agent_token": "other"}, "agent-token"),
    ],
)
def test_a_server_with_another_critical_value_is_refused(
    host: Hosts, ours: dict[str, object], said: str
) -> None:
    n1, n3 = host("n1"), host("n3")
    first(n1)

    journal = joining(n3, n1, **ours).ended()

    assert MISMATCH in journal
    assert re.findall(r"critical configuration mismatched: ([^\"]+)", journal) == [said]


def test_what_is_not_critical_may_differ(host: Hosts) -> None:
    n1, n3 = host("n1"), host("n3")
    n1.misbehave(learn=0)
    first(n1, disable=["servicelb", "traefik"])

    joining(n3, n1, disable=["servicelb"], cluster_dns="10.43.0.10").until_ready()


def test_a_rebuilt_server_is_refused_until_its_node_is_deleted(host: Hosts) -> None:
    n1, n3 = host("n1"), host("n3")
    n1.misbehave(learn=0)
    first(n1)
    old = joining(n3, n1)
    old.until_ready()
    until(lambda: "n3" in names(n1))
    old.stop()
    (n3.root / "var").rename(n3.root / "old")

    refused = joining(n3, n1).ended()
    assert "etcd cluster join failed: duplicate node name found, please use a unique" in refused

    kube_nodes.delete(n1.client(), "n3")
    joining(n3, n1).until_ready()


def test_with_data_on_disk_it_no_longer_matters_whom_to_join(host: Hosts) -> None:
    n1, n3 = host("n1"), host("n3")
    n1.misbehave(learn=0)
    one = first(n1)
    three = joining(n3, n1)
    three.until_ready()
    for each in (one, three):
        each.stop()

    n3.server(token="secret", server="https://127.0.0.1:1").until_ready()

    assert "n1" in names(n3)


def test_a_cluster_goes_on_without_its_first_server_which_then_learns_what_changed(
    host: Hosts,
) -> None:
    n1, n3, a1, a2 = (host(name) for name in ("n1", "n3", "a1", "a2"))
    n1.misbehave(learn=0)
    one = first(n1)
    joining(n3, n1).until_ready()
    a1.agent(n1, "secret").until_ready()
    one.stop()

    a2.agent(n3, "secret").until_ready()
    kube_nodes.delete(n3.client(), "a1")
    n1.start("server").until_ready()

    until(lambda: names(n1) == ["a2", "n1", "n3"])


def test_without_etcd_there_is_nothing_to_join_or_to_save(host: Hosts) -> None:
    n1, n3 = host("n1"), host("n3")
    running = n1.server(token="secret")
    running.until_ready()

    assert "etcd disabled" in joining(n3, n1).ended()
    assert "etcd datastore disabled" in n1.run("etcd-snapshot", "save").stderr
    until(lambda: n1.conditions("n1")["Ready"] == "True")
    assert "EtcdIsVoter" not in n1.conditions("n1")
    assert not n1.file("/var/lib/rancher/k3s/server/db/etcd").exists()
    running.stop()

    first(n1)

    assert n1.file("/var/lib/rancher/k3s/server/db/etcd/member/wal").is_dir()
    until(lambda: "EtcdIsVoter" in n1.conditions("n1"))


def test_a_server_is_not_rejected_for_its_password(host: Hosts) -> None:
    n1 = host("n1")
    first(n1).stop()
    n1.write("/etc/rancher/node/password", "another")

    again = first(n1)

    again.until_said("unable to verify password for node n1: hash does not match")
