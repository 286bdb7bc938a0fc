from pathlib import Path

import pytest

from lab.errors import InvalidValue
from lab.lifecycle.enlist import enlist
from lab.machines.inventory import Host


def host(name: str, address: str = "", *, server: bool = False, user: str = "ops") -> Host:
    return Host(
        name=name,
        address=address or f"192.0.2.{name[1:]}",
        user=user,
        port=22,
        key=Path("/home/me/.ssh/lab"),
        known_hosts=None,
        is_server=server,
        sudo=True,
        data={},
        hostname=name,
        known_as=name,
    )


PRESENT = {1: host("k1", server=True), 2: host("k2"), 4: host("k4")}


def problems(*listed: Host) -> str:
    with pytest.raises(InvalidValue) as caught:
        enlist(PRESENT, listed, name="mine")
    return caught.value.message


def test_the_hosts_of_a_new_lab_are_numbered_in_the_order_of_the_file() -> None:
    listed = [host("k9", server=True), host("k3")]

    assert enlist({}, listed, name="mine") == dict(enumerate(listed, start=1))


def test_a_host_keeps_its_number_and_a_new_one_gets_the_lowest_that_is_free() -> None:
    listed = [host("k1", server=True), host("k7"), host("k4"), host("k2")]

    found = enlist(PRESENT, listed, name="mine")

    assert {number: each.name for number, each in found.items()} == {
        1: "k1",
        2: "k2",
        3: "k7",
        4: "k4",
    }


def test_how_a_host_is_logged_in_to_may_change() -> None:
    listed = [host("k1", server=True, user="root"), host("k2"), host("k4")]

    assert enlist(PRESENT, listed, name="mine")[1].user == "root"


def test_a_host_that_is_no_longer_in_the_file_is_removed_by_its_own_command() -> None:
    said = problems(host("k1", server=True), host("k2"))

    assert "k4 is part of the lab and not in the file: lab node remove --name mine k4" in said


def test_a_host_that_moved_or_changed_its_role_is_told_and_so_is_all_else() -> None:
    said = problems(host("k1"), host("k2", "192.0.2.99"))

    assert said.splitlines()[1:] == [
        "  k1 is a server in the lab, and the file has it as the other",
        "  k2 has the address 192.0.2.2 in the lab and 192.0.2.99 in the file: "
        "lab node remove --name mine k2, then the same again",
        "  k4 is part of the lab and not in the file: lab node remove --name mine k4",
    ]


def test_one_server_does_not_become_three() -> None:
    more = [host("k5", server=True), host("k6", server=True)]

    assert "stays with one" in problems(host("k1", server=True), host("k2"), host("k4"), *more)
