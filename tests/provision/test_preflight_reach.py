"""The script about neighbours itself, in a network that the test makes."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.provision.preflight import (
    Facts,
    Peer,
    Wanted,
    judge_neighbours,
    neighbour_script,
    read_facts,
)

IS_ROOT = os.geteuid() == 0
# By what it can connect, and what it needs of other programs for that.
CLIENTS = {"bash": ("timeout",), "python3": (), "curl": (), "nc": ()}
WORDS = "sh date awk tr ip"


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def run(script: str, *, path: str = "", shell: str = "sh", before: str = "") -> Facts:
    """Run it with one second for each peer; `before` changes a network that is made for it."""
    argv = ["sh", "-c", f"{before}\nexec {shell} -s"]
    began = time.time()
    done = subprocess.run(
        ["unshare", "--net", *argv] if before else argv,
        input=script.replace("bound=3", "bound=1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, **({"PATH": path} if path else {})},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return read_facts(done.stdout, began=began, ended=time.time())


def only(directory: Path, *programs: str) -> str:
    """Make a directory of links to programs; skip the test where one is missing."""
    for name in (*WORDS.split(), *programs):
        found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        if not found:
            pytest.skip(f"{name} is not installed")
        (directory / name).symlink_to(found)
    return str(directory)


def without_more(script: str) -> str:
    return script.replace("PATH=$PATH:", "PATH=$PATH # ")


@pytest.mark.parametrize("client", list(CLIENTS))
def test_each_client_tells_who_answers(tmp_path: Path, port: int, client: str) -> None:
    path = only(tmp_path, client, *CLIENTS[client])
    peers = [Peer("n1", "127.0.0.1", port), Peer("n2", "127.0.0.1", port)]

    said = run(without_more(neighbour_script(peers)), path=path)

    assert len(said.all("peer")) == 2
    assert all("onnected" in each for each in said.all("peer"))
    assert said.complete


@pytest.mark.parametrize("client", list(CLIENTS))
def test_each_client_tells_who_refuses(tmp_path: Path, client: str) -> None:
    path = only(tmp_path, client, *CLIENTS[client])

    said = run(without_more(neighbour_script([Peer("n1", "127.0.0.1", 1)])), path=path)

    assert "Connection refused" in said.one("peer")


def test_without_a_client_it_says_so(tmp_path: Path) -> None:
    path = only(tmp_path)

    said = run(without_more(neighbour_script([Peer("n1", "127.0.0.1", 1)])), path=path)

    assert said.one("peer") == "127.0.0.1 1 untested: no bash, python3, curl or nc"
    assert said.complete


NETWORK = """
ip link set lo up
ip link add eth7 type veth peer name lab-other
ip link set eth7 up
ip link set lab-other up
ip addr add 10.77.0.1/24 dev lab-other
ip addr add 10.9.0.1/24 dev eth7
ip addr add 10.9.0.9/24 dev eth7
ip route add 10.8.0.0/24 via 10.9.0.254
ip route add unreachable 10.6.0.0/24
"""
PEERS = (
    Peer("itself", "10.9.0.1"),
    Peer("silent", "10.9.0.2"),
    Peer("routed", "10.8.0.1", 2222),
    Peer("lost", "10.7.0.1"),
    Peer("barred", "10.6.0.1"),
    Peer("double", "10.9.0.9"),
)


@pytest.mark.skipif(not IS_ROOT, reason="namespaces are made by root")
@pytest.mark.parametrize("shell", ["dash", "busybox sh", "bash"])
def test_each_thing_that_is_wrong_between_hosts_is_seen(shell: str) -> None:
    if not shutil.which(shell.split()[0]):
        pytest.skip(f"{shell} is not installed")
    began = time.monotonic()
    facts = run(neighbour_script(PEERS), shell=shell, before=NETWORK)
    took = time.monotonic() - began

    found = judge_neighbours({"itself": facts}, PEERS, Wanted("kubeadm", frozenset(["itself"])))

    told = "\n".join(each.what for each in found)
    for part in (
        "10.9.0.9, the address of double, is one of its own",
        "it has no route to lost (10.7.0.1), barred (10.6.0.1)",
        "it does not reach silent (10.9.0.2 port 22: timed out), routed (10.8.0.1 port 2222",
        "it reaches routed by 10.9.0.254",
    ):
        assert part in told
    assert len(found) == 4
    # Side by side: two of them were silent for a second.
    assert took < 10
    assert [str(each) for each in facts.networks] == ["10.9.0.0/24"]


@pytest.mark.skipif(not IS_ROOT, reason="namespaces are made by root")
def test_an_address_of_nobody_here_is_seen() -> None:
    peers = [Peer("n1", "198.51.100.7")]
    facts = run(neighbour_script(peers), before=NETWORK)

    found = judge_neighbours({"n1": facts}, peers, Wanted("k3s", frozenset(["n1"])))

    assert len(found) == 1
    assert "on none of its links; it has 10.9.0.1, 10.9.0.9" in found[0].what
