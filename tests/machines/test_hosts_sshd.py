"""A real sshd on loopback, with users of its own: none of it is left, and the host has none.

It runs in a mount namespace of its own, over whose /etc its users are laid, and in a process
namespace, so that all it started ends with it. `sudo` are scripts, one for each thing it can say.
"""

import os
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lab.errors import MachineError
from lab.machines.host_failure import Failure, Kind
from lab.machines.hosts import Answer, Ssh, known_keys, require_all, run, run_on_all, send
from lab.machines.inventory import Host
from lab.paths import find_paths

pytestmark = pytest.mark.e2e

START = """\
mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/shadow" /etc/shadow &&
mount -t tmpfs tmpfs /run && mkdir -m 0755 /run/sshd && mount -t proc proc /proc || exit
exec "$2" -D -e -f "$1/sshd_config"
"""
# What `sudo -n` does for whom.
USERS = {
    "admin": '[ "$1" = -n ] && shift; exec "$@"',
    "asked": "echo 'sudo: a password is required' >&2; exit 1",
    "unlisted": "echo 'unlisted is not in the sudoers file.' >&2; exit 1",
    "bare": "",
    "closed": "",
}


@dataclass
class Server:
    directory: Path
    port: int
    process: "subprocess.Popen[str]"
    said: list[str] = field(default_factory=list)

    def host(self, user: str = "root", **changes: object) -> Host:
        host = Host(
            name="k1",
            address="127.0.0.1",
            user=user,
            port=self.port,
            key=self.directory / "login",
            known_hosts=self.directory / "known_hosts",
            is_server=True,
            sudo=user != "root",
            data={},
            hostname="127.0.0.1",
            known_as=f"[127.0.0.1]:{self.port}",
        )
        return replace(host, **changes)  # type: ignore[arg-type]


def find_sshd(directory: Path) -> tuple[str, dict[str, str]]:
    """Return the host's sshd, or that of the nodes with the one library only it needs."""
    if own := shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin"):
        return own, {}
    roots = sorted((find_paths().cache / "artifacts").glob("noderoot-*/tree"))
    if not roots:
        pytest.skip("neither the host nor the cache has an sshd")
    for library in roots[0].glob("usr/lib/*/libwrap.so.0"):
        shutil.copy(library, directory)
    return str(roots[0] / "usr/sbin/sshd"), {"LD_LIBRARY_PATH": str(directory)}


def make_key(file: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    return file.with_suffix(".pub").read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def write_users(directory: Path) -> None:
    names = ("root", "sshd", *USERS)
    shells = {"sshd": "/usr/sbin/nologin", "closed": "/usr/sbin/nologin"}
    lines = [
        f"{name}:x:{54320 + place if place else 0}:{54320 if place else 0}::/:"
        f"{shells.get(name, '/bin/sh')}\n"
        for place, name in enumerate(names)
    ]
    (directory / "passwd").write_text("".join(lines))
    (directory / "shadow").write_text("".join(f"{name}:*:19000::::::\n" for name in names))
    for name, body in USERS.items():
        (directory / name).mkdir()
        if body:
            (directory / name / "sudo").write_text(f"#!/bin/sh\n{body}\n")
            (directory / name / "sudo").chmod(0o755)
    (directory / "bare/sh").symlink_to("/bin/sh")


def write_config(directory: Path, port: int) -> None:
    path = {name: f"{directory}/{name}:/usr/bin:/bin" for name in USERS}
    path["bare"] = f"{directory}/bare"
    (directory / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {directory}/host\nPidFile none\nUseDNS no\n"
        f"UsePAM no\nStrictModes no\nAuthorizedKeysFile {directory}/authorized\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\n"
        + "".join(f"Match User {name}\n  SetEnv PATH={path[name]}\n" for name in USERS)
    )


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if os.geteuid() != 0:
        pytest.skip("an sshd for several users needs root")
    # All of its users must reach it, which pytest's own directories do not allow.
    directory = Path(tempfile.mkdtemp(prefix="lab-sshd-", dir="/tmp"))
    directory.chmod(0o755)
    try:
        sshd, environment = find_sshd(directory)
        port = free_port()
        (directory / "authorized").write_text(make_key(directory / "login"))
        (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {make_key(directory / 'host')}")
        write_users(directory)
        write_config(directory, port)
        with running(directory, port, sshd, environment) as started:
            yield started
    finally:
        shutil.rmtree(directory)


def running(directory: Path, port: int, sshd: str, environment: dict[str, str]) -> "Running":
    unshare = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]
    process = subprocess.Popen(
        [*unshare, "sh", "-c", START, "sh", directory, sshd],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Running(Server(directory, port, process))


class Running:
    def __init__(self, server: Server) -> None:
        self.server = server

    def __enter__(self) -> Server:
        stderr = self.server.process.stderr
        assert stderr
        for line in stderr:
            self.server.said.append(line)
            if "Server listening" in line:
                break
        else:
            pytest.fail(f"sshd did not start: {self.server.said}")
        self.reader = threading.Thread(target=self.server.said.extend, args=(stderr,), daemon=True)
        self.reader.start()
        return self.server

    def __exit__(self, *exc: object) -> None:
        self.server.process.kill()
        self.server.process.wait()
        # The last of what it started holds the pipe.
        self.reader.join(5)
        assert not self.reader.is_alive()
        assert self.server.process.stderr
        self.server.process.stderr.close()


@pytest.fixture
def ssh(tmp_path: Path) -> Ssh:
    return Ssh(tmp_path, connect_bound_s=5)


def fail(outcome: Answer | Failure, kind: Kind) -> Failure:
    assert isinstance(outcome, Failure), outcome
    assert outcome.kind is kind, outcome
    return outcome


def test_a_script_runs_as_root_and_its_output_comes_back(server: Server, ssh: Ssh) -> None:
    assert run(server.host(), "id -u; echo seen >&2", ssh=ssh) == Answer("0\n", "seen\n")


def test_another_user_goes_through_sudo(server: Server, ssh: Ssh) -> None:
    outcome = run(server.host("admin"), 'echo "$USER"', ssh=ssh)

    assert outcome == Answer("admin\n", "")


def test_what_fails_on_the_host_has_the_scripts_own_words_and_status(
    server: Server, ssh: Ssh
) -> None:
    found = fail(run(server.host(), "echo why >&2; exit 255", ssh=ssh), Kind.SCRIPT_FAILED)

    assert (found.status, found.said) == (255, "exit status 255: why")


def test_a_host_key_that_changed_is_told_with_the_line_that_forgets_it(
    server: Server, ssh: Ssh, tmp_path: Path
) -> None:
    known = tmp_path / "known hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {make_key(tmp_path / 'other')}")

    found = fail(run(server.host(known_hosts=known), "true", ssh=ssh), Kind.KEY_CHANGED)

    assert f"ssh-keygen -f '{known}' -R '[127.0.0.1]:{server.port}'" in found.hint


def test_the_remedy_of_a_changed_key_is_one(server: Server, ssh: Ssh, tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{server.port} {make_key(tmp_path / 'other')}")
    host = server.host(known_hosts=known)
    found = fail(run(host, "true", ssh=ssh), Kind.KEY_CHANGED)

    forget = found.hint.split(": ", 1)[1].split("; ", 1)[0]
    subprocess.run(["sh", "-c", forget], check=True, capture_output=True)

    fail(run(host, "true", ssh=ssh), Kind.KEY_UNKNOWN)


def test_an_unknown_host_key_is_not_taken(server: Server, ssh: Ssh, tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.touch()

    found = fail(run(server.host(known_hosts=known), "true", ssh=ssh), Kind.KEY_UNKNOWN)

    assert known.read_text() == ""
    scan = found.hint.split(", compare", 1)[0]
    subprocess.run(["sh", "-c", scan], check=True, capture_output=True)
    assert isinstance(run(server.host(known_hosts=known), "true", ssh=ssh), Answer)


def test_a_new_host_key_is_taken_when_that_is_asked_for_and_kept(
    server: Server, ssh: Ssh, tmp_path: Path
) -> None:
    host = server.host(known_hosts=tmp_path / "none")
    accepting = replace(ssh, accepted=tmp_path / "accepted", accept_new=True)

    assert isinstance(run(host, "true", ssh=accepting), Answer)
    assert isinstance(run(host, "true", ssh=replace(accepting, accept_new=False)), Answer)
    assert not (tmp_path / "none").exists()


def test_a_changed_key_is_not_taken_even_when_new_ones_are(
    server: Server, ssh: Ssh, tmp_path: Path
) -> None:
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{server.port} {make_key(tmp_path / 'other')}")
    accepting = replace(ssh, accepted=tmp_path / "accepted", accept_new=True)

    fail(run(server.host(known_hosts=known), "true", ssh=accepting), Kind.KEY_CHANGED)


def test_the_known_keys_of_a_host_are_a_known_hosts_of_its_own_also_from_hashed_names(
    server: Server, ssh: Ssh, tmp_path: Path
) -> None:
    hashed, own = tmp_path / "hashed", tmp_path / "own"
    shutil.copy(server.directory / "known_hosts", hashed)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", hashed], check=True, capture_output=True)
    assert "127.0.0.1" not in hashed.read_text()

    own.write_text(known_keys(server.host(known_hosts=hashed), ssh))

    assert own.read_text().startswith(f"[127.0.0.1]:{server.port} ssh-ed25519 ")
    assert isinstance(run(server.host(known_hosts=own), "true", ssh=ssh), Answer)


def test_a_host_that_is_not_known_has_no_known_keys(
    server: Server, ssh: Ssh, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text((server.directory / "known_hosts").read_text().replace("127.0.0.1", "k2"))

    assert known_keys(server.host(known_hosts=other), ssh) == ""


def test_a_key_that_the_host_does_not_know_is_denied(
    server: Server, ssh: Ssh, tmp_path: Path
) -> None:
    make_key(tmp_path / "stranger")

    found = fail(run(server.host(key=tmp_path / "stranger"), "true", ssh=ssh), Kind.DENIED)

    assert found.said == "Permission denied (publickey)"


def test_a_key_that_others_can_read_is_denied_with_the_mode(
    server: Server, ssh: Ssh, tmp_path: Path
) -> None:
    key = tmp_path / "open"
    shutil.copy(server.directory / "login", key)
    key.chmod(0o644)

    found = fail(run(server.host(key=key), "true", ssh=ssh), Kind.DENIED)

    assert found.hint == f"chmod 600 {key}"


def test_a_closed_port_is_unreachable(server: Server, ssh: Ssh) -> None:
    found = fail(run(server.host(port=free_port()), "true", ssh=ssh), Kind.UNREACHABLE)

    assert "Connection refused" in found.said


def test_what_takes_connections_and_says_nothing_is_unreachable_within_its_bound(
    server: Server, ssh: Ssh
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = server.host(port=silent.getsockname()[1])
        began = time.monotonic()
        found = fail(run(host, "true", ssh=replace(ssh, connect_bound_s=1)), Kind.UNREACHABLE)

    assert time.monotonic() - began < 4
    assert "timed out" in found.said


def test_what_hangs_up_is_unreachable(server: Server, ssh: Ssh) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        hang_up = threading.Thread(target=lambda: listening.accept()[0].close())
        hang_up.start()
        host = server.host(port=listening.getsockname()[1])
        fail(run(host, "true", ssh=ssh), Kind.UNREACHABLE)
        hang_up.join(5)


@pytest.mark.parametrize(
    ("user", "remedy"),
    [
        ("asked", "asked ALL=(ALL) NOPASSWD: ALL"),
        ("unlisted", "unlisted ALL=(ALL) NOPASSWD: ALL"),
        ("bare", "install sudo"),
    ],
)
def test_a_user_without_sudo_is_told_with_what_to_do(
    server: Server, ssh: Ssh, user: str, remedy: str
) -> None:
    found = fail(run(server.host(user), "touch /must-not-be-there", ssh=ssh), Kind.NO_SUDO)

    assert remedy in found.hint
    assert not Path("/must-not-be-there").exists()


def test_a_user_without_a_shell_is_told(server: Server, ssh: Ssh) -> None:
    found = fail(run(server.host("closed"), "true", ssh=ssh), Kind.NO_SHELL)

    assert "not available" in found.said


def test_a_script_that_does_not_end_is_told_with_its_last_words(server: Server, ssh: Ssh) -> None:
    began = time.monotonic()
    outcome = run(server.host(), "echo waiting >&2; sleep 60", ssh=ssh, timeout_s=2)

    assert time.monotonic() - began < 10
    assert fail(outcome, Kind.TOO_LATE).said == "the script did not end within 2 s: waiting"


# Long: whether the first word was sent before sshd was killed depends on how busy the host is.
@pytest.mark.long
def test_a_connection_that_breaks_is_lost_and_the_script_has_not_failed(
    server: Server, ssh: Ssh
) -> None:
    # What sshd has not sent yet when it is killed is lost, too, and with it that all began.
    script = (
        "echo half >&2; sleep 1; p=$$\n"
        "until case $(cat /proc/$p/comm) in sshd*) true;; *) false;; esac\n"
        "do p=$(cut -d ' ' -f 4 /proc/$p/stat); done\nkill -9 $p; sleep 5"
    )
    fail(run(server.host(), script, ssh=ssh), Kind.LOST)


def test_a_secret_of_a_script_is_in_no_command_line_there(server: Server, ssh: Ssh) -> None:
    script = (
        "# S3CRET\na=S3; b=CRET; for each in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do\n"
        "case $(tr '\\0' ' ' <$each 2>/dev/null) in *$a$b*) echo $each;; *sshd*) found=1;; esac\n"
        "done; [ $found ]"
    )
    assert run(server.host(), script, ssh=ssh) == Answer("", "")


def test_many_hosts_answer_at_once_and_every_failure_is_collected(
    server: Server, ssh: Ssh, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    hosts = (
        *(server.host(name=f"good{n}") for n in range(4)),
        server.host(name="unknown", known_hosts=tmp_path / "empty"),
        server.host("asked", name="asked"),
        server.host(name="gone", port=free_port()),
    )
    # None of the four ends before all have begun.
    meeting = (
        f"touch {tmp_path}/here-$$; for n in $(seq 200); do set -- {tmp_path}/here-*\n"
        "[ $# = 4 ] && break; sleep 0.05; done; echo $#"
    )
    outcomes = run_on_all(hosts, meeting, ssh=ssh)

    assert list(outcomes) == [host.name for host in hosts]
    assert [each.out for each in outcomes.values() if isinstance(each, Answer)] == ["4\n"] * 4
    kinds = {name: each.kind for name, each in outcomes.items() if isinstance(each, Failure)}
    assert kinds == {
        "unknown": Kind.KEY_UNKNOWN,
        "asked": Kind.NO_SUDO,
        "gone": Kind.UNREACHABLE,
    }
    with pytest.raises(MachineError, match="3 of 7 hosts cannot be used"):
        require_all(outcomes)


@pytest.fixture
def there() -> Iterator[Path]:
    """A directory that server and tester both see, and that is not there yet."""
    directory = Path(tempfile.mkdtemp(dir="/var/tmp"))
    # The sudo of these users makes nobody root.
    directory.chmod(0o777)
    yield directory / "stage"
    shutil.rmtree(directory)


@pytest.mark.parametrize("user", ["root", "admin"])
def test_a_file_is_sent_whole_and_only_root_may_read_it(
    server: Server, ssh: Ssh, tmp_path: Path, there: Path, user: str
) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "program").write_bytes(content)
    target = there / "with a space"

    outcome = send(server.host(user), tmp_path / "program", str(target), ssh=ssh, timeout_s=20)

    assert isinstance(outcome, Answer), outcome
    assert target.read_bytes() == content
    assert [stat.S_IMODE(path.stat().st_mode) for path in (target, there)] == [0o600, 0o700]
    assert [path.name for path in there.iterdir()] == [target.name]


def test_a_file_for_which_there_is_no_room_is_told_and_has_no_name(
    server: Server, ssh: Ssh, tmp_path: Path, there: Path
) -> None:
    (tmp_path / "program").write_bytes(b"content")
    there.write_text("a file where the directory should be")

    outcome = send(server.host(), tmp_path / "program", str(there / "k3s"), ssh=ssh, timeout_s=20)

    assert "cannot create directory" in fail(outcome, Kind.SCRIPT_FAILED).said


def test_a_file_that_cannot_be_sent_in_time_is_told_and_has_no_name(
    server: Server, ssh: Ssh, there: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "slow")
    writer = subprocess.Popen(["sh", "-c", f"exec 3> '{tmp_path}/slow'; echo half >&3; sleep 30"])
    try:
        found = send(server.host(), tmp_path / "slow", str(there / "k3s"), ssh=ssh, timeout_s=2)
    finally:
        writer.kill()
        writer.wait()

    fail(found, Kind.TOO_LATE)
    assert not (there / "k3s").exists()


def test_what_came_in_part_has_no_name(
    server: Server, ssh: Ssh, there: Path, tmp_path: Path
) -> None:
    # Of a pipe nobody knows how much is to come; what came is more than that.
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["sh", "-c", f"echo some > '{tmp_path}/pipe'"]):
        outcome = send(server.host(), tmp_path / "pipe", str(there / "k3s"), ssh=ssh, timeout_s=20)

    assert "it came in part only" in fail(outcome, Kind.SCRIPT_FAILED).said
    assert not (there / "k3s").exists()


def test_who_may_not_become_root_sends_nothing(
    server: Server, ssh: Ssh, tmp_path: Path, there: Path
) -> None:
    (tmp_path / "program").write_bytes(b"content")

    outcome = send(
        server.host("asked"), tmp_path / "program", str(there / "k3s"), ssh=ssh, timeout_s=20
    )

    fail(outcome, Kind.NO_SUDO)
    assert not there.exists()
