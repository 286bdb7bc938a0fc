"""What the stand-in answers on its port, to whom, and what it writes for its administrator."""

import base64
import re
import ssl
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from lab.errors import RequestRefused
from lab.kube import identity, kubeconfig
from lab.kube import nodes as kube_nodes
from tests.k3s.conftest import VERSION, Hosts
from tests.k3s.processes import Host, Running, until

pytestmark = pytest.mark.timeout(300)

ADMIN = "/etc/rancher/k3s/k3s.yaml"


@pytest.fixture(scope="module")
def server(hosts_of_module: Hosts) -> Host:
    made = hosts_of_module("server")
    made.server(token="of-servers", agent_token="of-agents", cluster_init=True).until_ready()
    until(lambda: made.conditions("server").get("EtcdIsVoter") == "True")
    return made


def ask(host: Host, path: str, user: str = "", password: str = "") -> tuple[int, str]:
    """Return status and text of an answer, asked for by basic authentication or without."""
    request = Request(host.url + path)
    if user:
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {basic}")
    try:
        with urlopen(request, context=ssl._create_unverified_context(), timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_anybody_may_ping_and_have_the_ca(server: Host) -> None:
    ca = server.file("/var/lib/rancher/k3s/server/tls/server-ca.crt").read_text()

    assert ask(server, "/ping") == (200, "pong")
    assert ask(server, "/cacerts") == (200, ca)


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/version", "/api/v1/nodes"])
def test_kubernetes_answers_nobody_without_credentials(server: Host, path: str) -> None:
    assert ask(server, path)[0] == 401
    assert server.client().text(path)


def test_the_supervisor_answers_agents_only(server: Host) -> None:
    path = "/v1-k3s/readyz"

    assert ask(server, path)[0] == 403
    status, words = ask(server, path, "node", "wrong")
    assert (status, "not authorized" in words) == (401, True)
    assert ask(server, path, "server", "of-servers")[0] == 403
    assert ask(server, path, "node", "of-agents") == (200, "ok")


def test_labs_own_client_knows_the_cluster_and_its_nodes(server: Host) -> None:
    text = server.file(ADMIN).read_text()
    found = identity.read(kubeconfig.parse(text, origin=ADMIN))

    client = identity.connect(text, found, origin=ADMIN)
    (node,) = kube_nodes.list_nodes(client)

    assert (node.name, node.ready, node.version) == ("server", True, VERSION)
    assert node.roles == ("control-plane", "etcd")
    assert client.get("/version")["gitVersion"] == VERSION


def test_ready_is_not_the_last_condition(server: Host) -> None:
    assert [*server.conditions("server")][-1] == "EtcdIsVoter"


def test_a_new_node_is_not_ready_at_once_and_says_later_that_it_votes(host: Hosts) -> None:
    n1 = host("n1")
    n1.variables["STANDIN_HURRY"] = "1"
    n1.server(cluster_init=True).until_ready()

    until(lambda: n1.conditions("n1") == {"DiskPressure": "False", "Ready": "False"})
    until(
        lambda: (
            n1.conditions("n1") == {"DiskPressure": "False", "Ready": "True", "EtcdIsVoter": "True"}
        )
    )


def test_a_node_can_be_cordoned_and_labelled(server: Host) -> None:
    client = server.client()

    client.merge("/api/v1/nodes/server", {"spec": {"unschedulable": True}})
    kube_nodes.mark(client, "server", labels={"lab": "yes"}, taints={})
    node = client.get("/api/v1/nodes/server")
    client.merge("/api/v1/nodes/server", {"spec": {"unschedulable": False}})

    assert node["spec"] == {"unschedulable": True}
    assert node["metadata"]["labels"]["lab"] == "yes"
    assert kube_nodes.list_nodes(client)[0].schedulable


def test_what_is_not_there_is_not_found(server: Host) -> None:
    for method in ("GET", "DELETE"):
        with pytest.raises(RequestRefused, match='nodes "n9" not found') as caught:
            server.client().answer(method, "/api/v1/nodes/n9")
        assert caught.value.status == 404


@pytest.mark.parametrize(
    ("given", "mode"), [({}, 0o600), ({"write_kubeconfig_mode": "0640"}, 0o640)]
)
def test_the_kubeconfig_has_the_mode_it_should(
    host: Hosts, given: dict[str, str], mode: int
) -> None:
    n1 = host("n1")
    n1.server(**given).until_ready()

    assert n1.file(ADMIN).stat().st_mode & 0o777 == mode


def test_kubeconfig_and_tokens_are_there_before_the_api_is_ready(host: Hosts) -> None:
    n1 = host("n1")
    n1.misbehave(never=True)
    server: Running = n1.server()

    until(n1.file(ADMIN).exists)
    assert n1.token()
    assert "apiserver not ready" in n1.run("kubectl", "get", "--raw=/readyz").stderr
    assert ask(n1, "/ping") == (200, "pong")
    assert not server.ready


def test_kubectl_knows_what_lab_asks_for_and_nothing_else(server: Host) -> None:
    conditions = "jsonpath={range .status.conditions[*]}{.type}={.status} {end}"

    assert server.run("kubectl", "get", "--raw=/readyz").stdout == "ok"
    assert (
        "EtcdIsVoter=True "
        in server.run("kubectl", "get", "node", "server", "-o", conditions).stdout
    )
    assert '"NodeList"' in server.run("kubectl", "get", "nodes", "-o", "json").stdout
    unknown = server.run("kubectl", "get", "pods")
    assert (unknown.returncode, "the stand-in knows no" in unknown.stderr) == (1, True)


def test_it_says_that_it_is_a_stand_in(server: Host) -> None:
    assert server.run("--version").stdout == f"k3s version {VERSION} (standin)\n"
    assert server.run("serve").returncode == 1


def test_a_snapshot_lies_beside_the_data_for_root_only(server: Host) -> None:
    saved = server.run("etcd-snapshot", "save", "--name", "before-it")

    name = re.search(r"Snapshot (before-it-server-\d+) saved", saved.stderr)
    assert name, saved.stderr
    file = server.file(f"/var/lib/rancher/k3s/server/db/snapshots/{name[1]}")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
