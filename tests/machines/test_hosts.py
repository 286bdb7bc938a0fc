"""What ssh says is quoted from OpenSSH 9.2; test_hosts_sshd.py makes a real one say it."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from lab.errors import CommandFailed, MachineError, NodeUnreachable, ToolMissing
from lab.machines.host_failure import Ended, Failure, Kind, classify
from lab.machines.hosts import Answer, Ssh, require_all, run, run_on_all, ssh_command
from lab.machines.inventory import Host

HOME = Path("/home/alice")


def host(name: str = "k1", **changes: Any) -> Host:
    values: dict[str, Any] = {
        "address": "192.0.2.11",
        "user": "admin",
        "port": 22,
        "key": None,
        "known_hosts": None,
        "is_server": True,
        "sudo": True,
        "data": {},
        "hostname": "192.0.2.11",
        "known_as": "192.0.2.11",
    }
    return Host(name, **{**values, **changes})


def options(command: list[str]) -> dict[str, str]:
    pairs = itertools.pairwise(command)
    return dict(value.split("=", 1) for flag, value in pairs if flag == "-o")


def failure(err: str, of: Host | None = None, **changes: Any) -> Failure:
    values: dict[str, Any] = {"ssh_status": 255, "began": False, "status": None, "out": ""}
    ended = Ended(err=err, **{**values, **changes})
    return classify(of or host(), ended, known_hosts="/home/alice/.ssh/known_hosts")


def test_nothing_is_asked_and_host_keys_are_checked_by_the_callers_file() -> None:
    command = ssh_command(host(), Ssh(HOME), "true")

    told = options(command)
    assert told["BatchMode"] == "yes"
    assert told["StrictHostKeyChecking"] == "yes"
    assert told["UserKnownHostsFile"] == '"/home/alice/.ssh/known_hosts"'
    assert told["ConnectTimeout"] == "10"
    assert command[-7:] == ["-l", "admin", "-p", "22", "--", "192.0.2.11", "true"]


def test_new_keys_go_to_the_labs_own_file_and_only_when_asked_for() -> None:
    lab = Path("/lab/known_hosts")

    told = options(ssh_command(host(), Ssh(HOME, accepted=lab, accept_new=True)))
    assert told["StrictHostKeyChecking"] == "accept-new"
    assert told["UserKnownHostsFile"].startswith('"/lab/known_hosts" "/home')
    assert options(ssh_command(host(), Ssh(HOME, lab)))["StrictHostKeyChecking"] == "yes"


def test_a_key_of_its_own_is_the_only_one_that_is_offered() -> None:
    told = options(ssh_command(host(key=Path("/a b/50%")), Ssh(HOME)))

    assert told["IdentitiesOnly"] == "yes"
    assert told["IdentityFile"] == '"/a b/50%%"'
    assert "IdentitiesOnly" not in options(ssh_command(host(), Ssh(HOME)))


def test_through_sudo_the_callers_keys_are_offered_and_not_roots(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519").touch()

    told = options(ssh_command(host(), Ssh(tmp_path)))

    assert told["IdentityFile"] == f'"{tmp_path}/.ssh/id_ed25519"'


def test_users_own_configuration_is_read_and_none_of_root(tmp_path: Path) -> None:
    assert ssh_command(host(), Ssh(tmp_path))[:3] == ["ssh", "-F", "/dev/null"]
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").touch()
    assert ssh_command(host(), Ssh(tmp_path))[2] == f"{tmp_path}/.ssh/config"
    assert ssh_command(host(config=Path("/c")), Ssh(tmp_path))[2] == "/c"


CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
Offending ED25519 key in /home/alice/my hosts:3
Host key for 192.0.2.11 has changed and you have requested strict checking.
Host key verification failed.
"""
UNKNOWN = """\
No ED25519 host key is known for 192.0.2.11 and you have requested strict checking.
Host key verification failed.
"""
OPEN = """\
Permissions 0644 for '/k' are too open.
This private key will be ignored.
admin@192.0.2.11: Permission denied (publickey).
"""


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (CHANGED, Kind.KEY_CHANGED),
        (UNKNOWN, Kind.KEY_UNKNOWN),
        (OPEN, Kind.DENIED),
        ("admin@192.0.2.11: Permission denied (publickey,password).", Kind.DENIED),
        ('Load key "/k": error in libcrypto\nPermission denied (publickey).', Kind.DENIED),
        (
            "Received disconnect from 192.0.2.11 port 22:2: Too many authentication failures",
            Kind.DENIED,
        ),
        ("ssh: Could not resolve hostname k1: Name or service not known", Kind.UNREACHABLE),
        ("ssh: connect to host k1 port 22: Connection refused", Kind.UNREACHABLE),
        ("ssh: connect to host k1 port 22: Connection timed out", Kind.UNREACHABLE),
        ("ssh: connect to host k1 port 22: No route to host", Kind.UNREACHABLE),
        ("Connection timed out during banner exchange", Kind.UNREACHABLE),
        ("kex_exchange_identification: read: Connection reset by peer", Kind.UNREACHABLE),
        ("Connection closed by 192.0.2.11 port 22", Kind.UNREACHABLE),
        (
            "Unable to negotiate with 192.0.2.11 port 22: no matching cipher found.",
            Kind.SSH_FAILED,
        ),
        ("", Kind.SSH_FAILED),
    ],
)
def test_what_ssh_says_has_a_name_and_a_remedy(said: str, kind: Kind) -> None:
    found = failure(said)

    assert found.kind is kind
    assert found.message.startswith(f"k1 (admin@192.0.2.11): {kind}: ")
    assert found.hint


def test_the_same_words_of_a_script_are_not_taken_for_those_of_ssh() -> None:
    found = failure(UNKNOWN, began=True, status=255)

    assert found.kind is Kind.SCRIPT_FAILED
    assert found.status == 255


def test_a_changed_key_is_forgotten_in_the_file_that_has_it() -> None:
    found = failure(CHANGED, host(known_as="[192.0.2.11]:2222", port=2222))

    assert "ssh-keygen -f '/home/alice/my hosts' -R '[192.0.2.11]:2222'" in found.hint


def test_an_unknown_key_is_scanned_from_the_hosts_port_or_accepted() -> None:
    found = failure(UNKNOWN, host(known_as="[gate]:2222", port=2222))

    assert found.hint.startswith("ssh-keyscan -p 2222 gate >> /home/alice/.ssh/known_hosts")
    assert "--accept-new-host-keys" in found.hint


def test_a_key_that_is_not_let_in_is_copied_there() -> None:
    found = failure("Permission denied (publickey).", host(key=Path("/k")))

    assert found.hint.startswith("ssh-copy-id -i /k.pub -p 22 admin@192.0.2.11")


def test_a_key_that_others_can_read_is_closed() -> None:
    assert failure(OPEN, host(key=Path("/k"))).hint == "chmod 600 /k"


@pytest.mark.parametrize(
    "said",
    [
        "sudo: a password is required",
        "sudo: sorry, you must have a tty to run sudo",
        "admin is not in the sudoers file.",
        "sh: 1: sudo: not found",
    ],
)
def test_what_sudo_says_is_no_sudo(said: str) -> None:
    assert failure(said, ssh_status=1).kind is Kind.NO_SUDO
    assert failure(said, ssh_status=1, began=True, status=1).kind is Kind.SCRIPT_FAILED
    assert failure(said, host(user="root"), ssh_status=1).kind is Kind.NO_SHELL


def test_the_remedy_of_a_password_is_a_rule_and_of_no_sudo_to_install_it() -> None:
    asked = failure("sudo: a password is required", ssh_status=1)
    assert "admin ALL=(ALL) NOPASSWD: ALL" in asked.hint
    assert "install sudo" in failure("sh: 1: sudo: not found", ssh_status=127).hint


def test_a_login_without_a_shell_is_told() -> None:
    found = failure("", ssh_status=1, out="This account is currently not available.\n")

    assert found.kind is Kind.NO_SHELL
    assert "not available" in found.message


def test_a_connection_that_breaks_under_a_script_is_lost() -> None:
    assert failure("half", began=True).kind is Kind.LOST


def test_a_script_that_was_killed_has_failed() -> None:
    found = failure("", began=True, ssh_status=137)

    assert (found.kind, found.status) == (Kind.SCRIPT_FAILED, 137)


def test_answers_are_returned_when_every_host_has_one() -> None:
    answers = {"k1": Answer("1", ""), "k2": Answer("2", "")}

    assert require_all(answers) == answers


def test_one_failure_is_an_error_of_its_own_kind_with_its_remedy() -> None:
    unknown = failure(UNKNOWN)
    with pytest.raises(NodeUnreachable, match=r"k1 .*host key unknown") as raised:
        require_all({"k1": unknown, "k2": Answer("", "")})

    assert raised.value.hint == unknown.hint
    with pytest.raises(CommandFailed, match="exit status 3: why"):
        require_all({"k1": failure("why", began=True, status=3)})


def test_several_failures_are_told_together_each_with_its_remedy() -> None:
    unknown, denied = failure(UNKNOWN), failure("Permission denied (publickey).", host("k2"))
    with pytest.raises(MachineError) as raised:
        require_all({"k1": unknown, "k2": denied, "k3": Answer("", "")})

    lines = raised.value.message.splitlines()
    assert lines[0] == "2 of 3 hosts cannot be used:"
    assert lines[1:] == [
        f"  {unknown.message}",
        f"    {unknown.hint}",
        f"  {denied.message}",
        f"    {denied.hint}",
    ]


@pytest.fixture
def ssh_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a program in the place of ssh, for what no sshd does when it is asked to."""

    def put(body: str) -> Ssh:
        program = tmp_path / "ssh"
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return Ssh(tmp_path)

    return put


def test_what_shells_and_banners_print_is_no_part_of_an_answer(ssh_is: Any) -> None:
    ssh = ssh_is("echo noise; echo 'Welcome to k1' >&2; sh -s; echo bye >&2")

    assert run(host(), "echo out; echo err >&2", ssh=ssh) == Answer("out\n", "err\n")


@pytest.mark.parametrize("cut", range(2, 90, 8))
def test_a_script_of_which_a_part_arrives_is_not_run(ssh_is: Any, tmp_path: Path, cut: int) -> None:
    ssh = ssh_is(f"head -c -{cut} | sh -s 2>&1; exit 255")

    outcome = run(host(), f"touch {tmp_path}/ran", ssh=ssh)

    assert isinstance(outcome, Failure)
    assert not (tmp_path / "ran").exists()


def test_the_whole_script_is_run(ssh_is: Any, tmp_path: Path) -> None:
    assert isinstance(run(host(), f"touch {tmp_path}/ran", ssh=ssh_is("sh -s")), Answer)
    assert (tmp_path / "ran").exists()


def test_a_command_of_a_script_cannot_eat_the_rest_of_it(ssh_is: Any) -> None:
    assert run(host(), "cat\necho rest", ssh=ssh_is("sh -s")) == Answer("rest\n", "")


@pytest.mark.parametrize("script", ["", "# a comment", "true &", "cat <<END\nx\nEND"])
def test_any_script_can_be_run(ssh_is: Any, script: str) -> None:
    assert isinstance(run(host(), script, ssh=ssh_is("sh -s")), Answer)


@pytest.mark.parametrize("status", [1, 254, 255])
def test_the_exit_status_is_the_scripts_also_where_ssh_has_the_same(
    ssh_is: Any, status: int
) -> None:
    outcome = run(host(), f"echo why >&2; exit {status}", ssh=ssh_is("sh -s"))

    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.status) == (Kind.SCRIPT_FAILED, status)
    assert outcome.said == f"exit status {status}: why"


def test_a_secret_of_a_script_is_in_no_argument_variable_or_message(
    ssh_is: Any, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    ssh = ssh_is(
        f'(echo "$@"; env) | grep -c -e S3CRET -e BatchMode >{kept}; cat >/dev/null; exit 255'
    )

    outcome = run(host(), "x=S3CRET", ssh=ssh)

    assert kept.read_text() == "1\n"
    assert isinstance(outcome, Failure)
    assert "S3CRET" not in outcome.message


def test_no_hosts_have_no_outcomes(tmp_path: Path) -> None:
    assert run_on_all((), "true", ssh=Ssh(tmp_path)) == {}


def test_a_host_without_ssh_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ToolMissing, match="'ssh'"):
        run(host(), "true", ssh=Ssh(tmp_path))
