"""The command line: what ends with which exit code, and what it says."""

import socket

import pytest

from lab.chirps.cli import main
from lab.chirps.migrate import Line, State, Status
from lab.chirps.operator.listing import listing

NOWHERE = {"PGHOST": "127.0.0.1", "PGPORT": "1"}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["migrate"],
        ["migrate", "up", "--to", "x"],
        ["migrate", "up", "--to", "-1"],
        ["migrate", "up", "--to", "9223372036854775808"],
        ["migrate", "up", "--lock", "perhaps"],
        ["migrate", "up", "--lock-timeout", "nan"],
        ["migrate", "up", "--retries", "-1"],
        ["migrate", "up", "--crash-at", "soon"],
        ["migrate", "status", "--table", "a; DROP TABLE users"],
        ["migrate", "can-i-rollback"],
        ["migrate", "can-i-contract", "--quiet-for", "inf"],
        ["seed", "--users", "5"],
        ["seed", "--chirps", "99999999999"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments, {})

    assert ended.value.code == 2
    assert "usage: chirps" in capsys.readouterr().err


def test_serving_with_a_wrong_configuration_ends_with_78(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["serve"], {"CHIRPS_CODE": "v1", "CHIRPS_PORT": "x", "CHIRPS_NODE": "a b"})

    assert code == 78
    said = capsys.readouterr().err
    assert "CHIRPS_PORT" in said
    assert "CHIRPS_NODE" in said


def test_what_is_not_in_the_image_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve"], {"CHIRPS_CODE": "v9", "CHIRPS_TRACK": "nowhere"}) == 78

    said = capsys.readouterr().err
    assert "no release 'v9'" in said
    assert "no track 'nowhere'" in said


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environ = {"CHIRPS_CODE": "v1", "CHIRPS_HOST": "127.0.0.1", "CHIRPS_PORT": str(port)}

        assert main(["serve"], environ) == 1

    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["migrate", "up"],
        ["migrate", "status"],
        ["migrate", "verify"],
        ["migrate", "why-not"],
        ["migrate", "can-i-rollback", "v1"],
        ["migrate", "can-i-contract"],
        ["seed"],
    ],
)
def test_a_database_that_does_not_answer_ends_with_2(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command, NOWHERE) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Error: the database does not answer: ")
    host, port = NOWHERE["PGHOST"], NOWHERE["PGPORT"]
    assert said.err.splitlines()[1:] == ["next:", f"  pg_isready -h {host} -p {port}"]


def test_an_unknown_track_ends_with_2_and_names_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["migrate", "status", "--track", "../base"], NOWHERE) == 2

    assert "rename-careful, rename-careless, rename-control" in capsys.readouterr().err


def test_a_schema_from_elsewhere_is_not_called_up_to_date() -> None:
    lines = (
        Line(5, State.APPLIED, None, "00005_membership.sql", {}),
        Line(6, State.UNKNOWN, None, None, {}),
    )

    told = listing(Status("base", 6, lines))

    assert told.splitlines()[-1] == (
        "the database has version 6: ahead of these files, which do not know 6; see --track"
    )
