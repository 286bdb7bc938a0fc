import socket
from pathlib import Path

import pytest

from lab.errors import HostUnfit, MachineError
from lab.machines import forwarder
from lab.machines.forwarder import Forward
from lab.paths import find_caller


def start(forward: Forward, directory: Path, *, namespace: str = "/run/netns/no-such-lab") -> None:
    forwarder.start(
        netns=Path(namespace),
        forwards=[forward],
        label="lab-test-refused",
        log=directory / "forwarder.log",
        owner=find_caller(),
    )


def test_a_forward_is_written_as_it_is_read() -> None:
    text = "127.0.0.1:6443=10.77.0.11:16443"

    assert Forward.parse(text) == Forward(6443, ("10.77.0.11",), 16443)
    assert Forward.parse(text).spell() == text


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0:1=10.0.0.1:2", ":1=10.0.0.1:2", "127.0.0.1:1", "127.0.0.1:x=10.0.0.1:2", "=", ""],
)
def test_a_forward_that_is_not_from_loopback_to_an_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Forward.parse(text)


def test_the_preferred_port_is_taken_when_it_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    assert forwarder.free_port(port) == port


def test_a_port_in_use_gives_way_to_a_later_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        assert port < forwarder.free_port(port) < port + forwarder.PORTS_TRIED


def test_no_free_port_names_the_ports_that_were_tried() -> None:
    with (
        socket.create_server(("127.0.0.1", 65535)),
        pytest.raises(HostUnfit, match=r"from 65535 to 65535"),
    ):
        forwarder.free_port(65535)


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(HostUnfit, match=rf"^127\.0\.0\.1:{port} is in use$"):
            start(Forward(port, ("10.0.0.1",), 1), tmp_path)


def test_a_namespace_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"No such file or directory: /run/netns/no-such-lab$"):
        start(Forward(0, ("10.0.0.1",), 1), tmp_path)


def test_what_does_not_fit_the_program_leads_to_its_log(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"see .*forwarder\.log"):
        start(Forward(0, (), 1), tmp_path)

    assert "--forward" in (tmp_path / "forwarder.log").read_text()
