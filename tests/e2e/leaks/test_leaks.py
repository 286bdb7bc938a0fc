"""Is a secret found wherever it may not be? Proved on a lab that is files only."""

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lab.machines import keys
from lab.machines.host_failure import SSH_ERROR
from lab.machines.topology import make_nodes
from lab.provision.kubeadm_phases import make_token
from tests.e2e.conftest import new_home
from tests.e2e.home import Home
from tests.e2e.hosts import SHOWN, OwnHome, shown_on
from tests.e2e.leaks.find import Leak, Secret, find_leaks, forms
from tests.e2e.leaks.known import (
    bootstrap_secret,
    private_keys,
    secrets_in,
    secrets_of,
    secrets_of_cluster,
)
from tests.e2e.leaks.lab import SearchOnce, everywhere
from tests.qemu.vm import Result

SECRET = Secret("a password", b"s3Cr3t_with-24-characters")
SERVER_TOKEN = b"5f" * 32


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode)
    path.chmod(mode)
    path.write_bytes(content)
    return path


PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def make_ec() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def make_rsa() -> PrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: PrivateKey, style: serialization.PrivateFormat) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, style, serialization.NoEncryption())


def ec_key() -> bytes:
    return pem(make_ec(), serialization.PrivateFormat.TraditionalOpenSSL)


def kubeconfig() -> bytes:
    return b"users:\n- user:\n    client-key-data: " + base64.b64encode(ec_key()) + b"\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A lab with keys, a server's disk and a k3s server's, all of them for root only."""
    home = Home(tmp_path, cache=tmp_path / "cache")
    lab = home.paths.lab("lab")
    lab.mkdir(parents=True)
    keys.make(lab / "keys", make_nodes(1), owner=home.paths.caller)
    write(lab / "keys/cluster-secrets.json", b'{"server_token": "' + SERVER_TOKEN + b'"}')
    write(lab / "kubeconfig", kubeconfig())
    write(lab / "lab.json", b'{"lab_id": "abcdef"}')
    disk = lab / "nodes/n1"
    write(disk / "upper/etc/kubernetes/pki/ca.key", ec_key())
    write(disk / "upper/etc/kubernetes/admin.conf", kubeconfig())
    write(disk / "rancher/k3s/server/tls/server-ca.key", ec_key())
    write(disk / "rancher/k3s/server/token", b"K10" + b"a" * 64 + b"::server:" + SERVER_TOKEN)
    return home


def lab_of(home: Home) -> Path:
    return home.paths.lab("lab")


def searched(home: Home, plan: str = "") -> list[Leak]:
    tmp = home.directory / "tmp"
    return find_leaks(secrets_of(lab_of(home)), everywhere(home, "lab", plan, tmp))


# What says it, and the mode of the file there.
WRONG_PLACES = {
    "lab's log": ("data/lab/lab/provision.log", 0o600),
    "lab's record": ("data/lab/lab/lab.json", 0o600),
    "a console": ("data/lab/lab/nodes/n1/console.log", 0o600),
    "a log of a node": ("data/lab/lab/nodes/n1/upper/var/log/kubeadm-upgrade.log", 0o600),
    "a log of a pod": ("data/lab/lab/nodes/n1/upper/var/log/pods/x/0.log", 0o640),
    "a file of lab that others can read": ("data/lab/lab/keys/note", 0o604),
    "a file of a node that others can read": ("data/lab/lab/nodes/n1/upper/etc/k3s.yaml", 0o644),
    "a file of k3s": ("data/lab/lab/nodes/n1/rancher/k3s/agent/x", 0o644),
    "a file of kubelet": ("data/lab/lab/nodes/n1/kubelet/config.yaml", 0o644),
    "a file in a container": ("data/lab/lab/nodes/n1/containerd/snapshots/1/fs/x", 0o644),
    "a node's /tmp": ("data/lab/lab/nodes/n1/upper/tmp/pki.tar", 0o600),
    "a report": ("state/lab/runs/half-migrated-rename/1/report.html", 0o600),
    "a run": ("state/lab/runs/half-migrated-rename/1/verdict.json", 0o600),
    "the host's /tmp": ("tmp/x", 0o600),
}


@pytest.mark.parametrize("place", WRONG_PLACES)
@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("as it is", lambda secret: b"level=info token=" + secret + b"\n"),
        ("in base64", lambda secret: base64.b64encode(b"token: " + secret + b"\n")),
    ],
)
def test_a_secret_in_a_wrong_place_is_found(
    home: Home, place: str, form: str, written: Callable[[bytes], bytes]
) -> None:
    path, mode = WRONG_PLACES[place]
    write(home.directory / path, written(SERVER_TOKEN), mode)

    assert {(leak.where, leak.form) for leak in searched(home)} == {
        (str(home.directory / path), form)
    }


def test_a_lab_whose_secrets_are_where_they_belong_is_clean(home: Home) -> None:
    assert searched(home, plan='{"changes": 0}') == []


@pytest.mark.parametrize(
    ("path", "mode", "closed"),
    [
        ("upper/etc/rancher/k3s/config.yaml", 0o600, None),
        ("upper/var/lib/etcd/member/snap/db", 0o644, "upper/var/lib/etcd"),
        ("kubelet/pods/1/volumes/token", 0o644, "kubelet"),
    ],
)
def test_what_only_root_can_reach_on_a_node_may_hold_secrets(
    home: Home, path: str, mode: int, closed: str | None
) -> None:
    disk = lab_of(home) / "nodes/n1"
    write(disk / path, SERVER_TOKEN, mode)
    if closed:
        assert searched(home)
        (disk / closed).chmod(0o700)

    assert searched(home) == []


def test_a_secret_in_the_plan_is_found(home: Home) -> None:
    [leak] = searched(home, plan=f"node n1: join with {SERVER_TOKEN.decode()}")

    assert leak.where == "the plan"


@contextmanager
def waiting(*arguments: str, **environment: str) -> Iterator[None]:
    """A process that shows these until it is left."""
    argv = ["/bin/sh", "-c", "echo; read line", "sh", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, env=environment) as process:
        assert process.stdout
        process.stdout.readline()
        yield
        process.communicate(b"\n")


def test_a_secret_of_a_process_is_found_in_its_command_line_and_its_environment(home: Home) -> None:
    secret = SERVER_TOKEN.decode()

    with waiting("--token", secret):
        [leak] = searched(home)
        assert leak.where.endswith("begins with /bin/sh")
    with waiting(K3S_TOKEN=secret):
        [leak] = searched(home)
        assert leak.where.endswith("begins with K3S_TOKEN")
    assert searched(home) == []


def test_what_a_process_showed_before_it_ended_is_found(home: Home) -> None:
    home.shown.add(b"kubeadm\0join\0--token\0" + SERVER_TOKEN)

    [leak] = searched(home)

    assert leak.where.endswith("begins with kubeadm")


def test_a_key_that_others_can_read_is_found_where_it_lies(home: Home) -> None:
    key = lab_of(home) / "nodes/n1/upper/etc/kubernetes/pki/ca.key"
    key.chmod(0o644)

    assert {leak.where for leak in searched(home)} == {str(key)}


def test_a_key_packed_by_tar_and_base64_is_found(home: Home, tmp_path: Path) -> None:
    pki = lab_of(home) / "nodes/n1/upper/etc/kubernetes/pki"
    packed = subprocess.run(["tar", "-c", "-C", pki, "."], capture_output=True, check=True).stdout
    write(lab_of(home) / "provision.log", base64.encodebytes(packed))

    assert {leak.form for leak in searched(home)} == {"in base64"}


def test_what_tests_keep_in_their_own_directory_is_theirs(home: Home) -> None:
    write(home.directory / "tmp/pytest-of-root/x/token", SERVER_TOKEN)

    assert searched(home) == []


def test_the_secrets_of_a_lab_are_its_keys_and_tokens_on_all_disks(home: Home) -> None:
    found = {secret.name.rpartition("/")[2] for secret in secrets_of(lab_of(home))}

    assert found == {
        "login", "host-n1", "cluster-secrets.json", "kubeconfig",
        "ca.key", "admin.conf", "server-ca.key", "token",
    }  # fmt: skip


def test_the_hash_of_the_ca_in_a_token_of_k3s_is_no_secret(home: Home) -> None:
    assert b"a" * 64 not in {secret.value for secret in secrets_of(lab_of(home))}


def test_the_passwords_and_tokens_of_a_cluster_are_secrets_and_its_names_are_none() -> None:
    def item(name: str, **data: bytes) -> object:
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        return {"metadata": {"name": name}, "data": encoded}

    token_id, token_secret = make_token().encode().split(b".")
    boot = {"token-id": token_id, "token-secret": token_secret}
    objects = [
        item("postgres-chirps", password=SECRET.value, username=b"a_name_of_some_length"),
        item("bootstrap-token-x", **boot),
        {"metadata": {"name": "empty"}},
    ]

    found = secrets_of_cluster(json.dumps({"items": objects}))

    assert {secret.value for secret in found} == {SECRET.value, token_secret}


def test_a_cluster_that_does_not_answer_tells_no_secrets() -> None:
    assert secrets_of_cluster("") == set()


def test_a_bootstrap_token_is_searched_for_by_its_secret_half() -> None:
    assert bootstrap_secret(b"abcdef.0123456789abcdef").value == b"0123456789abcdef"


@pytest.mark.parametrize("path", ["/etc/rancher/k3s/config.yaml", "/etc/kubernetes/bootstrap.conf"])
def test_a_token_is_taken_from_a_config(path: str) -> None:
    text = b"server: https://x\n  token: 'abcdef.0123456789abcdef'\n"

    assert [each.value for each in secrets_in(path, text)] == [b"0123456789abcdef"]


@pytest.mark.parametrize("make", [make_rsa, make_ec])
@pytest.mark.parametrize(
    "style",
    [serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8],
    ids=["PKCS1 or SEC1", "PKCS8"],
)
def test_a_private_key_is_found_and_its_public_half_is_no_secret(
    make: Callable[[], PrivateKey], style: serialization.PrivateFormat
) -> None:
    key = make()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = pem(key, style)

    assert list(private_keys(public)) == []
    secrets = [Secret("key", value) for value in private_keys(private)]
    assert find_leaks(secrets, [("public", public), ("other", pem(make(), style))]) == []
    assert find_leaks(secrets, [("private", private)]) != []


def test_what_all_login_keys_have_in_common_is_no_secret(home: Home, tmp_path: Path) -> None:
    other = keys.make(tmp_path / "other", make_nodes(1), owner=home.paths.caller)
    ours = [Secret("login", v) for v in private_keys((lab_of(home) / "keys/login").read_bytes())]
    public = (lab_of(home) / "keys/login.pub").read_bytes()

    assert ours
    assert find_leaks(ours, [("other", other.login.read_bytes()), ("public", public)]) == []


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes])
def test_base64_is_found_wherever_the_secret_begins_in_the_text(
    before: int, encode: Callable[[bytes], bytes]
) -> None:
    value = b"/+" * 4 + SECRET.value
    text = encode(b"x" * before + value + b"\n" + b"y" * 60)

    assert find_leaks([Secret("s", value)], [("there", text)]) == [Leak("s", "there", "in base64")]


def test_every_form_is_one_word_that_is_long_enough_not_to_be_met_by_chance() -> None:
    assert min(len(needle) for needle, _ in forms(b"0123456789abcdef")) >= 16


def test_a_secret_found_in_one_place_is_found_in_the_next_as_well() -> None:
    places = [(where, SECRET.value) for where in ("one", "two", "two")]

    assert [leak.where for leak in find_leaks([SECRET], places)] == ["one", "two"]


@pytest.mark.parametrize("value", [b"short", b"sixteen or more with spaces"])
def test_what_cannot_be_searched_for_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="a token is too short or too strange"):
        Secret("a token", value)


def test_neither_a_secret_nor_a_leak_tells_the_secret() -> None:
    [leak] = find_leaks([SECRET], [("there", SECRET.value)])

    assert SECRET.value.decode() not in f"{SECRET!r} {leak!r}"


def test_a_lab_is_searched_before_the_command_that_removes_it_and_only_once(home: Home) -> None:
    write(lab_of(home) / "provision.log", SERVER_TOKEN)
    search = SearchOnce(home)
    home.on_down = search

    home.lab("down", "--name", "elsewhere")
    assert search.found == []
    home.on_down("lab")
    home.on_down("lab")

    assert [leak.where for leak in search.found if isinstance(leak, Leak)] == [
        str(lab_of(home) / "provision.log")
    ]


def test_a_search_that_fails_is_told_and_does_not_keep_the_lab_from_being_removed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.path = str(home.directory)
    (lab_of(home) / "nodes/n1/upper/var/log/journal").mkdir(parents=True)
    search = SearchOnce(home)
    monkeypatch.setenv("PATH", home.path)

    search("lab")

    assert [type(each) for each in search.found] == [FileNotFoundError]


def test_what_machines_elsewhere_show_is_searched_as_well(home: Home) -> None:
    shown = ("what host k1 shows", SERVER_TOKEN)
    home.elsewhere = lambda: [shown]

    assert shown in list(everywhere(home, "lab", "", tmp=home.directory / "tmp"))


def test_a_home_on_machines_of_an_inventory_searches_before_a_lab_goes() -> None:
    with new_home(searched=True, kind=OwnHome) as home:
        assert isinstance(home, OwnHome)
        assert isinstance(home.on_down, SearchOnce)
        assert home.on_down.home is home


def test_of_a_host_that_shows_a_secret_it_is_told_and_one_that_is_off_shows_nothing() -> None:
    machines = {"k1": Shows(0, "K3S_TOKEN=secret"), "k2": Shows(SSH_ERROR, "")}

    assert list(shown_on(machines)) == [("what host k1 shows", b"K3S_TOKEN=secret")]  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="k1: no such"):
        list(shown_on({"k1": Shows(2, "", "no such")}))  # type: ignore[dict-item]


@dataclass
class Shows:
    """A host that says the same to every script."""

    status: int
    output: str
    errors: str = ""

    def run(self, command: str, **_: object) -> Result:
        return Result(command, self.status, self.output, self.errors)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look as somebody else")
@pytest.mark.parametrize("place", ["log/syslog", "tmp/note", "etc/open"])
def test_what_a_host_shows_is_what_anybody_can_read_there(tmp_path: Path, place: str) -> None:
    write(tmp_path / place, SERVER_TOKEN, 0o644)
    write(tmp_path / "etc/closed", b"0" * 64, 0o600)
    tmp_path.chmod(0o755)
    script = SHOWN.replace("/proc/[0-9]*", "/nothing").replace("journalctl", ": journalctl")
    for of_host, of_test in (("/var/log /tmp /var/tmp", "log tmp"), ("/etc /opt /run", "etc")):
        script = script.replace(of_host, of_test)
    script = script.replace(" /usr/local /var/lib -xdev", " -xdev")

    shown = subprocess.run(
        ["sh", "-s"], input=script.encode(), cwd=tmp_path, capture_output=True, check=True
    ).stdout

    assert SERVER_TOKEN in shown
    assert b"0" * 64 not in shown
