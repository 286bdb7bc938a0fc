"""What a node keeps, and what an agent remembers and forgets."""

import json
import os
from pathlib import Path

import pytest

from lab.kube import nodes as kube_nodes
from tests.k3s.conftest import Hosts
from tests.k3s.processes import Host, Running, command_line, free_port, until

pytestmark = pytest.mark.timeout(300)

BALANCER = "/var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json"
IMAGES = "/var/lib/rancher/k3s/agent/images"
PASSWORD = "/etc/rancher/node/password"
REJECTED = (
    "Waiting to retrieve agent configuration; server is not ready: "
    "/var/lib/rancher/k3s/agent/serving-kubelet.crt: Node password rejected"
)


@pytest.fixture(scope="module")
def server(hosts_of_module: Hosts) -> Host:
    made = hosts_of_module("server")
    made.server(token="secret").until_ready()
    return made


def names(server: Host) -> list[str]:
    return [node.name for node in kube_nodes.list_nodes(server.client())]


def joined(agent: Host, server: Host) -> Running:
    running = agent.agent(server, "secret")
    running.until_ready()
    return running


def test_an_agents_node_is_there_when_it_says_ready_and_ready_soon_after(
    host: Hosts, server: Host
) -> None:
    joined(host("a1"), server)

    assert "a1" in names(server)
    until(lambda: server.conditions("a1")["Ready"] == "True")


def test_a_node_that_says_nothing_is_unknown_after_a_while(host: Hosts, server: Host) -> None:
    agent = joined(host("a0"), server)
    until(lambda: server.conditions("a0")["Ready"] == "True")

    agent.stop()

    until(lambda: server.conditions("a0")["Ready"] == "Unknown")
    assert server.conditions("server")["Ready"] == "True"


def test_a_node_with_another_password_is_rejected_for_ever(host: Hosts, server: Host) -> None:
    a2 = host("a2")
    joined(a2, server).stop()
    assert a2.file(PASSWORD).stat().st_mode & 0o777 == 0o600
    joined(a2, server).stop()

    a2.write(PASSWORD, "another")
    rebuilt = a2.agent(server, "secret")

    rebuilt.until_said(REJECTED, times=3)
    assert not rebuilt.ready

    kube_nodes.delete(server.client(), "a2")
    rebuilt.until_ready()


def test_a_deleted_node_comes_back_with_its_agents_next_start_only(
    host: Hosts, server: Host
) -> None:
    a3 = host("a3")
    running = joined(a3, server)

    assert server.run("kubectl", "delete", "node", "a3").returncode == 0

    running.until_said("not found", times=2)
    assert "a3" not in names(server)
    running.stop()
    joined(a3, server)
    assert "a3" in names(server)


def remembers(agent: Host, url: str, *addresses: str) -> None:
    agent.write(BALANCER, json.dumps({"ServerURL": url, "ServerAddresses": addresses}))


def test_an_agent_writes_down_which_servers_there_are(host: Hosts, server: Host) -> None:
    a4 = host("a4")
    joined(a4, server)

    kept = json.loads(a4.file(BALANCER).read_text())

    assert kept == {"ServerURL": server.url, "ServerAddresses": [f"127.0.0.1:{server.port}"]}


def test_servers_it_remembers_are_preferred_to_the_same_url(host: Hosts, server: Host) -> None:
    other, a5 = host("other"), host("a5")
    other.server(token="of-another").until_ready()
    remembers(a5, server.url, f"127.0.0.1:{other.port}")

    running = a5.agent(server, server.token())

    running.until_said("token CA hash does not match", times=2)
    running.stop()
    a5.file(BALANCER).unlink()
    joined(a5, server)


def test_another_url_makes_it_forget_the_servers_it_knew(host: Hosts, server: Host) -> None:
    other, a6 = host("other"), host("a6")
    other.server(token="of-another").until_ready()
    remembers(a6, "https://127.0.0.1:1", f"127.0.0.1:{other.port}")

    joined(a6, server)


def test_when_no_server_it_remembers_answers_the_configured_one_is_asked(
    host: Hosts, server: Host
) -> None:
    a7 = host("a7")
    remembers(a7, server.url, f"127.0.0.1:{free_port()}")

    joined(a7, server)


def test_a_server_that_cannot_be_reached_is_tried_for_ever(host: Hosts) -> None:
    a8, nobody = host("a8"), host("nobody")

    agent = a8.agent(nobody, "secret")

    agent.until_said(f"Failed to validate connection to cluster at {nobody.url}", times=3)
    assert agent.said("failed to get CA certs: Get ") >= 3
    assert not agent.ready
    nobody.server(token="secret").until_ready()
    agent.until_ready()


def test_images_are_imported_before_ready_and_again_when_no_cache_is_kept(
    host: Hosts, server: Host
) -> None:
    a9 = host("a9")
    a9.write(f"{IMAGES}/some.tar.zst", "")

    for _ in range(2):
        running = joined(a9, server)
        journal = running.journal.read_text()
        assert f"Imported images from {IMAGES}/some.tar.zst" in journal.split("up and running")[0]
        running.stop()


def test_with_a_cache_only_images_that_changed_are_imported(host: Hosts, server: Host) -> None:
    a10 = host("a10")
    a10.write(f"{IMAGES}/.cache.json", "")
    a10.write(f"{IMAGES}/some.tar", "one")
    seen = []
    for content in ("one", "one", "other"):
        if a10.file(f"{IMAGES}/some.tar").read_text() != content:
            a10.write(f"{IMAGES}/some.tar", content)
        running = joined(a10, server)
        seen.append(running.said("Imported images from"))
        running.stop()

    assert seen == [1, 0, 1]


def test_containers_outlive_their_service_and_are_found_again(host: Hosts, server: Host) -> None:
    a11 = host("a11")
    joined(a11, server).stop()
    (shim,) = a11.containers

    assert "containerd-shim-runc-v2 -namespace k8s.io -id " in command_line(shim)
    assert " -address /run/k3s/containerd/containerd.sock" in command_line(shim)
    # Nobody's child any more, as under systemd.
    assert f"PPid:\t{os.getpid()}\n" not in Path(f"/proc/{shim}/status").read_text()

    joined(a11, server)
    assert a11.containers == [shim]
