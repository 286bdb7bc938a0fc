"""Another version of the stand-in on the data of the one before, as an upgrade has it."""

from pathlib import Path

import pytest

from lab.kube import nodes as kube_nodes
from tests.k3s.build import build_standin
from tests.k3s.conftest import VERSION, Hosts
from tests.k3s.processes import Host, Running, until

pytestmark = pytest.mark.timeout(300)

NEWER = "v1.36.4+k3s1"


@pytest.fixture(scope="module")
def newer(program: Path) -> Path:
    """Return the program of the newer version; there is a Go where there is the other one."""
    return build_standin(NEWER)


def versions(server: Host) -> dict[str, str]:
    return {node.name: node.version for node in kube_nodes.list_nodes(server.client())}


def restart(host: Host, running: Running, program: Path, role: str) -> None:
    """Run another program with what is on the host."""
    running.stop()
    host.program = program
    host.start(role).until_ready()


def test_nodes_are_of_the_new_version_one_after_the_other_and_lose_nothing(
    host: Hosts, newer: Path
) -> None:
    n1, n3, a1 = host("n1"), host("n3"), host("a1")
    n1.misbehave(learn=0)
    one = n1.server(token="secret", cluster_init=True)
    one.until_ready()
    three = n3.server(token="secret", server=n1.url)
    three.until_ready()
    agent = a1.agent(n1, "secret")
    agent.until_ready()
    until(lambda: set(versions(n3).values()) == {VERSION})
    token = n1.token()

    restart(n1, one, newer, "server")
    until(lambda: versions(n3) == {"n1": NEWER, "n3": VERSION, "a1": VERSION})
    restart(n3, three, newer, "server")
    restart(a1, agent, newer, "agent")

    until(lambda: versions(n1) == dict.fromkeys(("n1", "n3", "a1"), NEWER))
    assert n1.token() == n3.token() == token


def test_containers_outlive_an_upgrade(host: Hosts, newer: Path) -> None:
    n1 = host("n1")
    running = n1.server(token="secret")
    running.until_ready()
    until(lambda: bool(n1.containers))
    before = n1.containers

    restart(n1, running, newer, "server")

    until(lambda: versions(n1) == {"n1": NEWER})
    assert n1.containers == before


def test_what_is_saved_before_has_the_name_that_was_asked_for(host: Hosts) -> None:
    n1 = host("n1")
    n1.server(token="secret", cluster_init=True).until_ready()

    done = n1.run("etcd-snapshot", "save", "--name", "before-v1.36.4-k3s1")

    assert done.returncode == 0, done.stderr
    (saved,) = n1.file("/var/lib/rancher/k3s/server/db/snapshots").iterdir()
    assert saved.name.startswith("before-v1.36.4-k3s1-n1-")
