"""Which pods are a node's, and which way to the others': what the node image's script says."""

import subprocess

import pytest

from lab.artifacts.kindnode import FILES, PROGRAMS

SCRIPT = FILES / "pod-routes"


def told(address: str) -> "subprocess.CompletedProcess[str]":
    argv = ["sh", str(SCRIPT), address]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("address", "number", "ways", "last"),
    [
        ("172.18.0.3/16", 3, 252, "10.244.254.0/24 via 172.18.0.254"),
        ("192.168.16.2/20", 2, 252, "10.244.254.0/24 via 192.168.16.254"),
        ("10.10.7.9/24", 9, 252, "10.244.254.0/24 via 10.10.7.254"),
        ("10.10.7.130/25", 2, 124, "10.244.126.0/24 via 10.10.7.254"),
        ("10.10.7.2/28", 2, 12, "10.244.14.0/24 via 10.10.7.14"),
    ],
)
def test_a_nodes_pods_follow_from_its_place_wherever_the_network_begins(
    address: str, number: int, ways: int, last: str
) -> None:
    first, *routes = told(address).stdout.splitlines()

    assert int(first) == number
    assert len(routes) == ways
    assert routes[-1] == f"route replace {last}"
    assert not any(f" 10.244.{number}.0/24 " in route for route in routes)


def test_two_nodes_of_a_network_send_to_each_other_what_is_the_others() -> None:
    for own, other in (("192.168.16.2", "192.168.16.5"), ("192.168.16.5", "192.168.16.2")):
        number = told(f"{other}/20").stdout.split()[0]
        assert f"route replace 10.244.{number}.0/24 via {other}\n" in told(f"{own}/20").stdout


@pytest.mark.parametrize("address", ["172.18.1.5/16", "172.18.0.1/16", "172.18.255.255/16"])
def test_a_place_that_has_no_pods_is_refused_and_told(address: str) -> None:
    done = told(address)

    assert done.returncode == 1
    assert done.stdout == ""
    assert f"{address} has place" in done.stderr


def test_it_is_a_program_of_the_image() -> None:
    assert SCRIPT.name in PROGRAMS.values()
    assert SCRIPT.stat().st_mode & 0o111
