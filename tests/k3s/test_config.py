"""What the stand-in makes of config.yaml and of arguments."""

import pytest

from tests.k3s.conftest import Hosts
from tests.k3s.processes import until

pytestmark = pytest.mark.timeout(300)

UNDEFINED = "flag provided but not defined: -"


@pytest.mark.parametrize("key", ["node-nam", "tls-san"])
def test_a_key_that_agents_do_not_know_ends_an_agent(host: Hosts, key: str) -> None:
    n1 = host("n1")
    n1.configure(server="https://127.0.0.1:1", token="x", **{key: "y"})

    assert UNDEFINED + key in n1.start("agent").ended()


def test_a_key_that_nobody_knows_is_skipped_by_a_server(host: Hosts) -> None:
    server = host("n1").server(node_nam="y")

    server.until_said("Unknown flag --node-nam found in config.yaml, skipping")
    server.until_ready()


def test_an_argument_that_nobody_knows_ends_a_server(host: Hosts) -> None:
    n1 = host("n1")
    n1.configure()

    assert UNDEFINED + "node-nam" in n1.start("server", "--node-nam=y").ended()


def test_arguments_win_over_files_and_later_files_over_earlier_ones(host: Hosts) -> None:
    n1 = host("n1")
    n1.configure(node_name="first", node_label=["a=1"])
    n1.write("/etc/rancher/k3s/config.yaml.d/10.yaml", "node-name: second\nnode-label+:\n- b=2\n")
    n1.write("/etc/rancher/k3s/config.yaml.d/20.txt", "node-name: no yaml\n")

    second = n1.start("server")
    second.until_ready()
    until(lambda: "second" in n1.run("kubectl", "get", "nodes").stdout)
    labels = n1.client().get("/api/v1/nodes/second")["metadata"]["labels"]
    assert (labels["a"], labels["b"]) == ("1", "2")
    second.stop()

    third = n1.start("server", "--node-name", "third", "--cluster-init")
    third.until_ready()
    until(lambda: "third" in n1.run("kubectl", "get", "nodes").stdout)


def test_what_is_no_yaml_ends_it(host: Hosts) -> None:
    n1 = host("n1")
    n1.write("/etc/rancher/k3s/config.yaml", "node-name\n")

    assert "could not find expected ':'" in n1.start("server").ended()


def test_an_agent_needs_a_token_from_somewhere(host: Hosts) -> None:
    n1 = host("n1")
    n1.configure(server="https://127.0.0.1:1", lb_server_port=0)
    assert "--token is required" in n1.start("agent").ended()

    n1.variables["K3S_TOKEN"] = "x"

    n1.start("agent").until_said("Failed to validate connection to cluster")


def test_an_agent_needs_a_server(host: Hosts) -> None:
    n1 = host("n1")
    n1.configure(token="x")

    assert "--server is required" in n1.start("agent").ended()
