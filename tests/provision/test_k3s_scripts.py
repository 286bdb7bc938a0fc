"""The other scripts that run on a node: each is run for real below a temporary root."""

import hashlib
import os
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from typing_extensions import override

from lab.provision.rendering import TEMPLATES

Done = subprocess.CompletedProcess[str]
CA = b"-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
OURS = hashlib.sha256(b"ours").hexdigest()
PLACES = (
    "/etc/rancher",
    "/etc/systemd",
    "/etc/sysctl.d",
    "/etc/modules-load.d",
    "/proc/sys",
    "/run/flannel",
    "/run/k3s",
    "/run/netns",
    "/usr/lib/systemd",
    "/usr/local",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/lib/lab",
    "/var/lib/rancher",
)


@dataclass(frozen=True, slots=True)
class Root:
    """A node's directories below a directory, and programs that do nothing but note."""

    path: Path

    def write(self, name: str, content: str = "x") -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file

    def program(self, name: str, body: str) -> None:
        self.write(f"bin/{name}", f"#!/bin/sh\n{body}\n").chmod(0o755)

    def run(self, template: str, *, before: str = "", **values: object) -> Done:
        """Run the script in a mount namespace of its own, after the commands `before`."""
        loader = FileSystemLoader(TEMPLATES)
        environment = Environment(loader=loader, undefined=StrictUndefined)
        script = environment.get_template(template).render(values)
        for place in PLACES:
            script = script.replace(place, f"{self.path}{place}")
        # It may run as root, and it removes things: a path that is not in PLACES is this host's.
        rest = re.sub("|".join(f"{self.path}{place}" for place in PLACES), "", script)
        found = re.search(r"/(etc|home|opt|root|run|srv|usr|var)/\S*", rest)
        assert found is None, f"add {found.group()} to PLACES"
        file = self.write("script", script)
        inside = ["unshare", "--map-root-user", "--mount", "--propagation=private"]
        return subprocess.run(
            [*inside, "sh", "-c", f"{before or ':'} && sh {file}"],
            env={"PATH": f"{self.path}/bin:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    def uninstall(self, before: str = "", **values: str) -> Done:
        given = {"program_sha256": OURS} | values
        return self.run("k3s-uninstall.sh.j2", before=before, **given)

    def left(self) -> list[str]:
        """Return what lies below the root, without the test's own files."""
        own = {"bin", "script", "disk"}
        found = (file.relative_to(self.path) for file in self.path.rglob("*") if file.is_file())
        return sorted(str(file) for file in found if file.parts[0] not in own)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Return an empty node: no links, no rules; nothing is really done to this host's."""
    if subprocess.run(["unshare", "--map-root-user", "--mount", "true"], check=False).returncode:
        pytest.skip("this host lets nobody make a mount namespace")
    root = Root(tmp_path)
    for name in ("systemctl", "modprobe"):
        root.program(name, f'echo "{name} $*" >> {tmp_path}/bin/calls')
    for name in ("iptables", "ip6tables"):
        root.program(f"{name}-save", f"cat {tmp_path}/bin/{name}.rules 2>/dev/null")
        root.program(
            f"{name}-restore",
            f"cat > {tmp_path}/bin/new; mv {tmp_path}/bin/new {tmp_path}/bin/{name}.rules",
        )
    root.program("ip", f"[ \"$1 $2\" = 'link show' ] && [ -e {tmp_path}/bin/link.$3 ]")
    return root


@pytest.fixture
def installed(root: Root) -> Root:
    """Return a node on which lab put k3s, beside what is no affair of k3s."""
    for file in (
        "etc/rancher/k3s/config.yaml",
        "etc/rancher/node/password",
        "etc/sysctl.d/90-lab-k3s.conf",
        "etc/modules-load.d/lab-k3s.conf",
        "etc/systemd/system/k3s.service",
        "run/k3s/containerd/socket",
        "var/lib/cni/networks/a",
        "var/lib/kubelet/config",
        "var/lib/lab/k3s",
        "var/lib/lab/stamps/k3s-runs-a",
        "var/lib/rancher/k3s/server/token",
        "etc/sysctl.d/10-mine.conf",
    ):
        root.write(file)
    root.write("usr/local/bin/k3s", "ours")
    return root


def test_uninstalling_leaves_only_what_was_there_before(installed: Root) -> None:
    assert installed.uninstall().stderr == ""

    assert installed.left() == ["etc/sysctl.d/10-mine.conf"]
    assert installed.uninstall().returncode == 0


def test_a_program_that_is_not_ours_stays(installed: Root) -> None:
    installed.write("usr/local/bin/k3s", "somebody else's")

    installed.uninstall()

    assert "usr/local/bin/k3s" in installed.left()


def test_a_program_that_lab_put_there_goes_whichever_release_it_is_of(installed: Root) -> None:
    installed.write("usr/local/bin/k3s", "newer")
    newer = hashlib.sha256(b"newer").hexdigest()
    installed.write("var/lib/lab/k3s-programs", f"{OURS}\n{newer}\n")

    assert installed.uninstall(program_sha256="").stderr == ""

    assert installed.left() == ["etc/sysctl.d/10-mine.conf"]


def test_without_a_note_and_a_hash_no_program_is_taken_for_labs(installed: Root) -> None:
    installed.uninstall(program_sha256="")

    assert "usr/local/bin/k3s" in installed.left()


@pytest.mark.parametrize(
    ("mark", "status", "said"),
    [
        ("abcd demo", 0, ""),
        ("efgh other", 1, "it is a node of lab other (efgh); nothing was changed\n"),
        (None, 0, ""),
    ],
)
def test_from_a_machine_only_the_lab_whose_mark_it_has_takes_anything_off(
    installed: Root, mark: str | None, status: int, said: str
) -> None:
    if mark:
        installed.write("var/lib/lab/owner", f"{mark}\n")
    before = installed.left()

    done = installed.uninstall(owner="abcd demo")

    assert (done.returncode, done.stderr) == (status, said)
    ours = ["etc/sysctl.d/10-mine.conf", "var/lib/lab/owner"]
    assert installed.left() == (ours if mark == "abcd demo" else before)


@pytest.mark.parametrize(
    "place", ["var/lib/rancher/k3s/storage", "var/lib/kubelet/mine", "run/k3s-not"]
)
@pytest.mark.parametrize("how", ["--bind {disk}", "-t tmpfs none"])
def test_a_disk_that_is_mounted_in_the_way_keeps_its_files(
    installed: Root, place: str, how: str
) -> None:
    precious = installed.write("disk/precious")
    target = installed.path / place
    target.mkdir(parents=True)
    mount = how.format(disk=precious.parent)

    done = installed.uninstall(f"mount {mount} {target}")

    in_the_way = place != "run/k3s-not"
    assert done.returncode == (1 if in_the_way else 0)
    assert (f"{target}; umount it" in done.stderr) == in_the_way
    assert precious.exists()
    assert ("var/lib/lab/k3s" in installed.left()) == in_the_way


@pytest.mark.parametrize("place", ["var/lib/kubelet/pods/a/v", "var/lib/kubelet/plugins/csi/g"])
def test_what_the_kubelet_mounted_is_unmounted_and_not_emptied(installed: Root, place: str) -> None:
    precious = installed.write("disk/precious")
    (installed.path / place).mkdir(parents=True)

    done = installed.uninstall(f"mount --bind {precious.parent} {installed.path / place}")

    assert (done.returncode, precious.exists()) == (0, True)
    assert installed.left() == ["etc/sysctl.d/10-mine.conf"]


@pytest.mark.parametrize("place", ["etc/rancher/k3s", "var/lib/rancher", "var/lib/kubelet"])
def test_a_symbolic_link_is_not_followed(installed: Root, place: str) -> None:
    shutil.move(installed.path / place, installed.path / "disk")
    (installed.path / place).symlink_to(installed.path / "disk")

    done = installed.uninstall()

    assert "is a symbolic link; nothing was changed" in done.stderr
    assert any((installed.path / "disk").iterdir())


def test_another_k3s_on_the_host_is_reason_to_stop(installed: Root) -> None:
    installed.write("etc/systemd/system/k3s-other.service")

    assert "k3s-other.service is another k3s; nothing was changed" in installed.uninstall().stderr
    assert not (installed.path / "bin/calls").exists()


def test_only_rules_of_kubernetes_are_taken_off(installed: Root) -> None:
    rules = installed.write("bin/iptables.rules", "*nat\n:KUBE-SERVICES - [0:0]\n-A MINE\nCOMMIT\n")

    installed.uninstall()

    assert rules.read_text() == "*nat\n-A MINE\nCOMMIT\n"


def test_what_stays_is_told_and_remains_labs_to_remove(installed: Root) -> None:
    installed.write("bin/link.flannel.1")

    done = installed.uninstall()

    assert (done.returncode, done.stderr) == (1, "still there: link flannel.1\n")
    assert installed.left() == ["etc/sysctl.d/10-mine.conf", "var/lib/lab/k3s"]


@pytest.mark.parametrize(
    "file",
    [
        "usr/local/bin/k3s",
        "etc/systemd/system/k3s.service",
        "usr/lib/systemd/system/k3s-agent.service",
        "etc/rancher/k3s/config.yaml",
        "var/lib/rancher/k3s/server/token",
    ],
)
def test_a_k3s_of_somebody_else_is_refused_unless_it_is_to_be_adopted(
    root: Root, file: str
) -> None:
    root.write(file)

    def look(*, adopt: bool) -> Done:
        return root.run("k3s-foreign.sh.j2", node_name="n1", program_sha256=OURS, adopt=adopt)

    assert "a k3s that lab did not put here" in look(adopt=False).stderr
    assert not (root.path / "var/lib/lab/k3s").exists()
    assert look(adopt=True).returncode == 0
    assert look(adopt=False).returncode == 0


def test_a_program_that_is_the_one_meant_is_nobody_elses(root: Root) -> None:
    root.write("usr/local/bin/k3s", "ours")

    done = root.run("k3s-foreign.sh.j2", node_name="n1", program_sha256=OURS, adopt=False)

    assert done.returncode == 0


def settings(root: Root, has: str, line: str) -> tuple[Done, str, str]:
    """Apply a line where the kernel has a value; return how, the line then, and the value."""
    key = line.split(" ", maxsplit=1)[0].replace(".", "/")
    value = root.write(f"proc/sys/{key}", f"{has}\n")
    file = root.write("etc/sysctl.d/90-lab-k3s.conf", f"{line}\n")
    done = root.run("k3s-kernel.sh.j2")
    return done, file.read_text().strip(), value.read_text().strip()


def test_a_limit_is_raised_and_never_lowered(root: Root) -> None:
    line = "fs.inotify.max_user_instances = 8192"

    assert settings(root, "128", line)[1:] == (line, "8192")
    assert settings(root, "9000", line)[1:] == ("fs.inotify.max_user_instances = 9000", "9000")


def test_other_settings_become_what_the_kubelet_demands(root: Root) -> None:
    assert settings(root, "0", "kernel.panic = 10")[2] == "10"


@pytest.mark.parametrize(("has", "status"), [("10", 0), ("0", 1)])
def test_a_setting_that_cannot_be_written_must_have_its_value(
    root: Root, has: str, status: int
) -> None:
    value = root.write("proc/sys/kernel/panic", has)
    root.write("etc/sysctl.d/90-lab-k3s.conf", "kernel.panic = 10\n")
    read_only = f"mount --bind {value} {value} && mount -o remount,bind,ro {value}"

    done = root.run("k3s-kernel.sh.j2", before=read_only)

    assert (done.returncode, "read-only file system" in done.stderr) == (status, bool(status))


def test_a_setting_is_what_it_was_when_k3s_is_gone_unless_somebody_changed_it_since(
    installed: Root,
) -> None:
    lines = ("kernel.panic = 10", "vm.overcommit_memory = 1", "fs.inotify.max_user_watches = 9")
    panic, memory = (
        installed.write(f"proc/sys/{p}", "0\n") for p in ("kernel/panic", "vm/overcommit_memory")
    )
    watches = installed.write("proc/sys/fs/inotify/max_user_watches", "12\n")
    installed.write("etc/sysctl.d/90-lab-k3s.conf", "\n".join(lines) + "\n")
    for _ in range(2):
        assert installed.run("k3s-kernel.sh.j2").returncode == 0
    assert [each.read_text().strip() for each in (panic, memory, watches)] == ["10", "1", "12"]
    memory.write_text("2\n")

    installed.uninstall()

    assert [each.read_text().strip() for each in (panic, memory, watches)] == ["0", "2", "12"]
    assert not [each for each in installed.left() if "sysctls" in each]


class _Supervisor(BaseHTTPRequestHandler):
    @override
    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/cacerts" else 404)
        self.send_header("Content-Length", str(len(CA)))
        self.end_headers()
        self.wfile.write(CA)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Answer /cacerts over TLS on loopback, with a certificate that nobody trusts."""
    place = tmp_path_factory.mktemp("tls")
    made = (
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=k3s",
    )
    files = [str(place / name) for name in ("key", "certificate")]
    subprocess.run(
        ["openssl", "req", *made, "-keyout", files[0], "-out", files[1]],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    with HTTPServer(("127.0.0.1", 0), _Supervisor) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def ask(root: Root, port: int, pinned: str, program: str) -> Done:
    """Ask with the one program; where it is missing on this host, the test is skipped."""
    template = (TEMPLATES / "k3s-join-check.sh.j2").read_text()
    for word, value in {"server_address": "127.0.0.1", "ca_hash": pinned}.items():
        template = template.replace(f"{{{{ {word} }}}}", value)
    bin_ = root.path / "only"
    bin_.mkdir(exist_ok=True)
    for name in (program, "sed", "sha256sum", "cut", "mktemp", "rm", "timeout"):
        if name == "nothing":
            continue
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not here")
        (bin_ / name).unlink(missing_ok=True)
        (bin_ / name).symlink_to(found)
    return subprocess.run(
        ["/bin/sh", "-c", template.replace(":6443", f":{port}")],
        env={"PATH": str(bin_), "https_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("program", ["curl", "wget", "openssl"])
def test_the_cluster_that_is_joined_is_the_one_that_was_meant(
    root: Root, port: int, program: str
) -> None:
    assert ask(root, port, hashlib.sha256(CA).hexdigest(), program).returncode == 0

    other = ask(root, port, "0" * 64, program)
    assert "127.0.0.1 answers with another CA" in other.stderr


@pytest.mark.parametrize("program", ["curl", "wget", "openssl"])
def test_an_api_that_does_not_answer_is_told_by_its_port(root: Root, program: str) -> None:
    assert "port 6443 is blocked" in ask(root, 1, "0" * 64, program).stderr


def test_a_node_that_cannot_ask_leaves_it_to_the_token_that_pins(root: Root, port: int) -> None:
    assert ask(root, port, "0" * 64, "nothing").returncode == 0


@pytest.mark.parametrize(
    ("config", "servers", "expected"),
    [
        ('server: "https://10.77.0.11:6443"', ["10.77.0.13"], 'server: "https://10.77.0.13:6443"'),
        ('server: "https://10.77.0.14:6443"', ["10.77.0.13", "10.77.0.14"], None),
        ("cluster-init: true", ["10.77.0.13"], None),
        ('server: "https://10.77.0.11:6443"', [], None),
    ],
    ids=["its server is gone", "its server stays", "it made the cluster", "no other is left"],
)
def test_a_node_is_told_of_another_server_only_where_the_one_it_joins_is_gone(
    root: Root, config: str, servers: list[str], expected: str | None
) -> None:
    file = root.write("etc/rancher/k3s/config.yaml", f'node-name: "n5"\n{config}\n')
    file.chmod(0o600)

    done = root.run("k3s-know.sh.j2", config="/etc/rancher/k3s/config.yaml", servers=servers)

    assert (done.returncode, done.stderr) == (0, "")
    assert file.read_text() == f'node-name: "n5"\n{expected or config}\n'
    assert file.stat().st_mode & 0o777 == 0o600


SAVED = "var/lib/rancher/k3s/server/db-before-v1.36.4-k3s1"


@pytest.fixture
def sqlite(root: Root) -> Root:
    """Return a server whose database is only whole while k3s does not run."""
    root.write("var/lib/rancher/k3s/server/token", "secret")
    whole = root.write("var/lib/rancher/k3s/server/db/state.db", "half")
    root.program(
        "systemctl",
        f'echo "$*" >> {root.path}/bin/calls\n'
        f"case $1 in stop) echo whole > {whole};; start) echo newer > {whole};; esac",
    )
    return root


def save(root: Root) -> Done:
    return root.run("k3s-save.sh.j2", version="v1.36.4-k3s1")


def test_the_files_of_one_servers_database_are_saved_while_nobody_writes(sqlite: Root) -> None:
    done = save(sqlite)

    assert (done.returncode, done.stderr) == (0, "")
    assert (sqlite.path / SAVED / "db/state.db").read_text() == "whole\n"
    assert (sqlite.path / SAVED / "token").read_text() == "secret"
    assert (sqlite.path / SAVED).stat().st_mode & 0o777 == 0o700
    assert sqlite.write("bin/none").with_name("calls").read_text().splitlines() == [
        "stop k3s",
        "start --no-block k3s",
    ]


def test_what_was_saved_before_is_not_overwritten_by_what_came_after(sqlite: Root) -> None:
    save(sqlite)
    sqlite.write("var/lib/rancher/k3s/server/token", "of a newer release")

    assert save(sqlite).returncode == 0

    assert (sqlite.path / SAVED / "token").read_text() == "secret"
    assert sorted(file.name for file in (sqlite.path / SAVED).iterdir()) == ["db", "token"]


def test_where_the_database_cannot_be_saved_k3s_runs_again_and_the_upgrade_ends(
    sqlite: Root,
) -> None:
    sqlite.program("cp", "echo no space left on device >&2; exit 1")

    done = save(sqlite)

    assert (done.returncode, "no space left" in done.stderr) == (1, True)
    assert not (sqlite.path / SAVED).exists()
    assert (sqlite.path / "bin/calls").read_text().splitlines()[-1] == "start --no-block k3s"


def test_etcd_is_saved_by_its_own_command_and_goes_on(root: Root) -> None:
    root.write("var/lib/rancher/k3s/server/db/etcd/member/wal/0")
    root.program("k3s", f'echo "$*" >> {root.path}/bin/calls')

    assert save(root).returncode == 0

    assert (
        root.path / "bin/calls"
    ).read_text() == "etcd-snapshot save --name before-v1.36.4-k3s1\n"
