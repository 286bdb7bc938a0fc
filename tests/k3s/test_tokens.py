"""Who is let in by which token, and what is written of them."""

import hashlib

import pytest

from tests.k3s.conftest import Hosts
from tests.k3s.processes import Host

pytestmark = pytest.mark.timeout(300)

CERTIFICATE = "/var/lib/rancher/k3s/server/tls/server-ca.crt"
DATA = "/var/lib/rancher/k3s/server"


def ca_hash(host: Host) -> str:
    return hashlib.sha256(host.file(CERTIFICATE).read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def server(hosts_of_module: Hosts) -> Host:
    """A server with both tokens, for tests that only add agents."""
    made = hosts_of_module("server")
    made.server(token="of-servers", agent_token="of-agents", cluster_init=True).until_ready()
    return made


def test_a_first_server_takes_the_short_token_and_not_the_secure_one(host: Hosts) -> None:
    n1 = host("n1")
    refused = n1.server(token=f"K10{'0' * 64}::server:secret")
    assert "token CA hash does not match the Cluster CA certificate hash" in refused.ended()

    n1.server(token="secret").until_ready()

    assert n1.token() == f"K10{ca_hash(n1)}::server:secret"


def test_a_first_server_without_a_token_makes_one(host: Hosts) -> None:
    n1, n2 = host("n1"), host("n2")
    n1.server().until_ready()

    assert n1.token().startswith(f"K10{ca_hash(n1)}::server:")
    n2.agent(n1, n1.token()).until_ready()


def test_a_token_file_may_end_with_a_newline(host: Hosts) -> None:
    n1 = host("n1")
    n1.write("/etc/token", "secret\n")
    n1.server(token_file="/etc/token").until_ready()

    assert n1.token().endswith("::server:secret")


@pytest.mark.parametrize("token", ["K10nothash::server:x", "K10::", "abcdef.0123456789abcdef"])
def test_a_server_refuses_what_is_no_token_of_servers(host: Hosts, token: str) -> None:
    assert "failed to normalize server token" in host("n1").server(token=token).ended()


def test_without_an_agent_token_its_file_is_a_link_to_that_of_servers(host: Hosts) -> None:
    n1 = host("n1")
    n1.server(token="secret").until_ready()

    for name in ("agent-token", "node-token"):
        assert n1.file(f"{DATA}/{name}").readlink().name == "token"


def test_an_agent_token_has_a_file_of_its_own(server: Host) -> None:
    assert not server.file(f"{DATA}/agent-token").is_symlink()
    assert server.token("agent-token") == f"K10{ca_hash(server)}::node:of-agents"
    modes = {server.file(f"{DATA}/{n}").stat().st_mode & 0o777 for n in ("token", "agent-token")}
    assert modes == {0o600}


def test_an_agent_joins_with_the_secure_token_and_with_the_short_one(
    host: Hosts, server: Host
) -> None:
    pinned = host("a1").agent(server, server.token("agent-token"))
    trusting = host("a2").agent(server, "of-agents")

    pinned.until_ready()
    trusting.until_ready()
    assert pinned.said("the token does not include a CA hash") == 0
    assert trusting.said("the token does not include a CA hash") == 1


def test_an_agent_that_expects_another_ca_tries_for_ever(host: Hosts, server: Host) -> None:
    agent = host("a3").agent(server, f"K10{'0' * 64}::node:of-agents")

    agent.until_said(
        "Failed to validate connection to cluster at "
        f"{server.url}: token CA hash does not match the Cluster CA certificate hash: "
        f"{'0' * 64} != {ca_hash(server)}",
        times=3,
    )
    assert not agent.ready
    assert agent.process.poll() is None


@pytest.mark.parametrize("token", ["wrong", "of-servers"])
def test_an_agent_with_a_wrong_token_tries_for_ever(host: Hosts, server: Host, token: str) -> None:
    agent = host("a4").agent(server, token)

    agent.until_said(
        "Waiting to retrieve agent configuration; server is not ready: "
        "failed to retrieve configuration from server: not authorized",
        times=3,
    )
    assert not agent.ready


def test_a_server_is_not_let_in_by_the_token_of_agents(host: Hosts, server: Host) -> None:
    joining = host("n2").server(server=server.url, token="of-agents", agent_token="of-agents")

    assert "failed to bootstrap cluster data: not authorized" in joining.ended()


def test_a_joining_server_pins_the_ca_as_well(host: Hosts, server: Host) -> None:
    joining = host("n2").server(server=server.url, token=f"K10{'0' * 64}::server:of-servers")

    assert "failed to validate token: token CA hash does not match" in joining.ended()


def test_a_created_token_admits_agents_until_its_time_is_up(host: Hosts, server: Host) -> None:
    token = server.run("token", "create", "--ttl", "1h").stdout.strip()
    assert token.startswith(f"K10{ca_hash(server)}::")
    host("a5").agent(server, token).until_ready()

    late = server.run("token", "create", "--ttl=1ns").stdout.strip()
    agent = host("a6").agent(server, late)
    agent.until_said("not authorized", times=2)
    assert not agent.ready


def test_data_that_another_token_locked_is_not_opened(host: Hosts) -> None:
    n1 = host("n1")
    server = n1.server(token="one", cluster_init=True)
    server.until_ready()
    server.stop()

    other = n1.server(token="two", cluster_init=True).ended()

    assert "bootstrap data already found and encrypted with different token" in other
    n1.server(token="one", cluster_init=True).until_ready()
