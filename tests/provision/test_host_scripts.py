"""The scripts that take machines of an inventory and give them back, run below a temporary root."""

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.lifecycle.comparison import read_comparison
from lab.provision.kubeadm_phases import Kubeadm
from lab.provision.phases import CLAIM, RELEASE
from lab.provision.rendering import render_text

Done = subprocess.CompletedProcess[str]
OURS = "abcd demo"
THEIRS = "efgh other"
FORWARD = "proc/sys/net/ipv4/ip_forward"
PLACES = (
    "/etc/cni",
    "/etc/containerd",
    "/etc/hosts",
    "/etc/kubernetes",
    "/etc/lab",
    "/etc/modules-load.d",
    "/etc/sysctl.d",
    "/etc/systemd/system",
    "/opt/cni",
    "/opt/containerd",
    "/proc/sys",
    "/run/containerd",
    "/run/lab",
    "/run/netns",
    "/run/nri",
    "/usr/libexec/kubernetes",
    "/usr/local",
    "/usr/share/lab",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/lib/lab",
    "/var/log",
)
STANDARD = (
    *("etc/sysctl.d", "etc/systemd/system", "opt", "run", "usr/libexec", "usr/local/bin"),
    *("usr/local/sbin", "usr/share", "var/lib", "var/log"),
)
LINKS = {
    "/usr/local/bin/kubeadm": "/var/lib/lab/artifacts/kubernetes-1/tree/usr/local/bin/kubeadm",
    "/opt/cni/bin/ptp": "/var/lib/lab/artifacts/cni-1/tree/opt/cni/bin/ptp",
}
# What a node of kubeadm has, in files of lab's and in what its programs made.
PUT_ON = (
    "etc/cni/net.d/10-lab.conflist",
    "etc/containerd/config.toml",
    "etc/kubernetes/pki/ca.key",
    "etc/lab/api-hosts",
    "etc/sysctl.d/90-lab.conf",
    "etc/systemd/system/containerd.service",
    "etc/systemd/system/kubelet.service",
    "run/containerd/containerd.sock",
    "run/lab/kubeadm.lock",
    "run/lab/upgrade.yaml",
    "usr/local/sbin/kubeadm-once",
    "var/lib/cni/networks/lab/10.244.1.2",
    "var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db",
    "var/lib/etcd/member/wal/0",
    "var/lib/kubelet/config.yaml",
    "var/lib/lab/artifacts/kubernetes-1/tree/usr/local/bin/kubeadm",
    "var/lib/lab/init.done",
    "var/lib/lab/stage/half.part",
    "var/lib/lab/stamps/files-1",
    "var/log/kubeadm-init.log",
    "var/log/pods/a/0.log",
)
MADE_BY_PROGRAMS = (
    "opt/containerd/bin",
    "opt/containerd/lib",
    "usr/libexec/kubernetes/kubelet-plugins/volume/exec",
)
# What was there before, where lab puts something, too.
THEIR_FILES = (
    "etc/lab/theirs.conf",
    "run/lab/sysctls.json",
    "usr/local/bin/tool",
    "var/lib/lab/theirs",
)


@dataclass(frozen=True, slots=True)
class Root:
    """A host's directories below a directory, and programs that do nothing but note."""

    path: Path

    def write(self, name: str, content: str = "x") -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file

    def program(self, name: str, body: str) -> None:
        self.write(f"bin/{name}", f"#!/bin/sh\n{body}\n").chmod(0o755)

    def moved(self, text: str) -> str:
        """Return it with every place below the root: it removes things, and may run as root."""
        places = "|".join(PLACES)
        found = re.search(rf"(?<![\w.*])(?!{places})/(etc|home|opt|root|run|srv|usr|var)/\S*", text)
        assert found is None, f"add {found.group()} to PLACES"
        return re.sub(rf"(?<![\w.*])({places})", rf"{self.path}\1", text)

    def run(self, script: str, *, before: str = ":") -> Done:
        """Run it in a mount namespace of its own, after the commands `before`."""
        file = self.write("script", self.moved(script))
        inside = ["unshare", "--map-root-user", "--mount", "--propagation=private"]
        return subprocess.run(
            [*inside, "sh", "-c", f"{before} && dash {file}"],
            env={"PATH": f"{self.path}/bin:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    def claim(self, owner: str = OURS) -> Done:
        return self.run(
            render_text(
                CLAIM, {"owner": owner, "kernel_settings": SETTINGS, "directories": DIRECTORIES}
            )
        )

    def link(self) -> Done:
        return self.run(render_text("host-links.sh.j2", {"links": LINKS}))

    def release(self, owner: str = OURS) -> Done:
        return self.run(render_text(RELEASE, {"owner": owner, "kernel_settings": SETTINGS}))

    def uninstall(self, owner: str = OURS, *, before: str = ":") -> Done:
        """Run both scripts of a removal, as `lab down` does."""
        return self.run(Kubeadm().uninstall_script(owner=owner), before=before)

    def read(self, name: str) -> str:
        return (self.path / name).read_text()

    def left(self) -> list[str]:
        """Return files, links and empty directories, without the test's own."""
        own = {"bin", "script", "disk", "proc"}
        found = [file for file in self.path.rglob("*") if file.is_symlink() or not _is_full(file)]
        names = (file.relative_to(self.path) for file in found)
        return sorted(str(name) for name in names if name.parts[0] not in own)


DIRECTORIES = ("/opt/cni", "/opt/cni/bin", "/var/lib/etcd")
SETTINGS = ("net.ipv4.ip_forward", "net.netfilter.nf_conntrack_max")


def _is_full(path: Path) -> bool:
    return path.is_dir() and any(path.iterdir())


@pytest.fixture
def root(tmp_path: Path) -> Root:
    if subprocess.run(["unshare", "--map-root-user", "--mount", "true"], check=False).returncode:
        pytest.skip("this host lets nobody make a mount namespace")
    root = Root(tmp_path)
    root.program("systemctl", f'echo "systemctl $*" >> {tmp_path}/bin/calls')
    root.program("ip", "exit 2")
    for name in ("iptables", "ip6tables"):
        root.program(name, "exit 1")
        root.program(f"{name}-save", f"cat {tmp_path}/bin/{name}.rules 2> /dev/null")
        root.program(
            f"{name}-restore",
            f"cat > {tmp_path}/bin/new; mv {tmp_path}/bin/new {tmp_path}/bin/{name}.rules",
        )
    root.write(FORWARD, "0\n")
    root.write("etc/hosts", "127.0.0.1 localhost\n\n")
    for place in STANDARD:
        (root.path / place).mkdir(parents=True)
    return root


@pytest.fixture
def bare(root: Root) -> list[str]:
    """Return what is there before a lab comes; some of it lies where lab's own things do."""
    for file in THEIR_FILES:
        root.write(file)
    return root.left()


@pytest.fixture
def installed(root: Root, bare: list[str]) -> Root:
    """Return a host that is a node; it is to become what `bare` says."""
    assert root.claim().returncode == 0
    for file in PUT_ON:
        root.write(file)
    for place in MADE_BY_PROGRAMS:
        (root.path / place).mkdir(parents=True)
    assert root.link().returncode == 0
    half = root.path / "usr/local/bin/.kubelet"
    half.symlink_to(f"{root.path}/var/lib/lab/artifacts/kubernetes-1/tree/kubelet")
    root.write(FORWARD, "1\n")
    with (root.path / "etc/hosts").open("a") as file:
        file.write("192.0.2.11 lab-api\n")
    return root


def test_a_host_is_claimed_with_its_settings_and_again_without_a_change(root: Root) -> None:
    assert root.claim().stderr == ""
    root.write(FORWARD, "1\n")
    assert root.claim().stderr == ""

    assert root.read("var/lib/lab/owner") == f"{OURS}\n"
    assert root.read("var/lib/lab/sysctls.before") == "net.ipv4.ip_forward = 0\n"
    assert [name for name in root.left() if "lab" in name] == [
        "var/lib/lab/directories.before",
        "var/lib/lab/host.before",
        "var/lib/lab/owner",
        "var/lib/lab/sysctls.before",
    ]


@pytest.mark.parametrize("mark", [THEIRS, "", "abcd demonstration"])
def test_a_host_of_another_lab_is_not_claimed(root: Root, mark: str) -> None:
    root.write("var/lib/lab/owner", mark)
    before = root.left()

    done = root.claim()

    assert done.returncode == 1
    assert done.stderr.startswith("it is a node of lab ")
    assert (root.left(), root.read("var/lib/lab/owner")) == (before, mark)


def test_of_two_labs_that_claim_a_host_at_once_the_second_is_refused(root: Root) -> None:
    mark = f"echo '{THEIRS}' > {root.path}/var/lib/lab/owner"
    root.program("mkdir", f'{shutil.which("mkdir")} "$@" && {mark}')

    done = root.claim()

    assert (done.returncode, root.read("var/lib/lab/owner")) == (1, f"{THEIRS}\n")
    assert not (root.path / "var/lib/lab/sysctls.before").exists()


def test_a_claim_that_was_killed_before_it_noted_the_settings_is_completed(root: Root) -> None:
    root.write("var/lib/lab/owner", f"{OURS}\n")

    assert root.claim().returncode == 0

    assert root.read("var/lib/lab/sysctls.before") == "net.ipv4.ip_forward = 0\n"


def test_programs_are_linked_and_links_of_another_version_are_replaced(root: Root) -> None:
    old = root.path / "usr/local/bin/kubeadm"
    old.symlink_to(f"{root.path}/var/lib/lab/artifacts/kubernetes-0/tree/usr/local/bin/kubeadm")

    assert root.link().stderr == ""

    for path, target in LINKS.items():
        assert str(Path(f"{root.path}{path}").readlink()) == f"{root.path}{target}"


@pytest.mark.parametrize("what", ["file", "link", "dead link"])
def test_what_is_not_labs_is_named_and_nothing_is_linked(root: Root, what: str) -> None:
    theirs = root.path / "usr/local/bin/kubeadm"
    if what == "file":
        theirs.write_text("theirs")
    else:
        theirs.symlink_to("/bin/true" if what == "link" else "/nowhere")
    before = root.left()

    done = root.link()

    assert done.returncode == 1
    assert done.stderr == f"there is what lab did not put there: {theirs}\n"
    assert root.left() == before


def test_a_host_that_is_released_has_its_settings_again_and_no_mark(root: Root) -> None:
    root.claim()
    root.write(FORWARD, "1\n")
    root.write("var/lib/lab/stamps/a")

    assert (root.release().stderr, root.release().stderr) == ("", "")

    assert root.read(FORWARD) == "0\n"
    assert not (root.path / "var/lib/lab").exists()


def test_a_host_of_another_lab_is_not_released(root: Root) -> None:
    root.claim(THEIRS)
    root.write(FORWARD, "1\n")
    before = root.left()

    done = root.release()

    assert (done.returncode, root.left()) == (1, before)
    assert done.stderr == "it is a node of lab other (efgh), and stays so\n"
    assert root.read(FORWARD) == "1\n"


def test_the_mark_stays_as_long_as_anything_cannot_be_removed(root: Root) -> None:
    root.claim()
    root.write("var/lib/lab/artifacts/a/tree/busy")
    root.program("rm", 'case "$*" in *artifacts*) exit 1 ;; *) exec /bin/rm "$@" ;; esac')

    assert root.release().returncode == 1
    assert root.read("var/lib/lab/owner") == f"{OURS}\n"

    (root.path / "bin/rm").unlink()
    assert root.release().returncode == 0
    assert not (root.path / "var/lib/lab").exists()


def test_a_node_is_taken_off_and_the_host_is_what_it_was(installed: Root, bare: list[str]) -> None:
    done = installed.uninstall()

    assert (done.returncode, done.stderr) == (0, "")
    assert installed.left() == bare
    assert installed.read("etc/hosts") == "127.0.0.1 localhost\n\n"
    assert installed.read(FORWARD) == "0\n"


def test_a_second_removal_does_nothing(installed: Root) -> None:
    installed.uninstall()
    calls = installed.read("bin/calls")

    assert (installed.uninstall().returncode, installed.read("bin/calls")) == (0, calls)


def test_a_node_of_another_lab_is_not_taken_off(installed: Root) -> None:
    before = installed.left()

    done = installed.uninstall(THEIRS)

    assert (done.returncode, installed.left()) == (1, before)
    assert done.stderr == "it is a node of lab demo (abcd); nothing was changed\n"
    assert not (installed.path / "bin/calls").exists()


def test_only_links_into_labs_store_are_removed(installed: Root) -> None:
    link = installed.path / "usr/local/bin/kubectl"
    link.symlink_to("/bin/true")

    installed.uninstall()

    assert link.is_symlink()


def test_only_rules_of_kubernetes_are_removed(installed: Root) -> None:
    theirs = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n"
    rules = installed.write("bin/iptables.rules", theirs)
    ours = "-A POSTROUTING -m comment --comment x -j KUBE-POSTROUTING\n:CNI-HOSTPORT-DNAT - [0:0]\n"
    rules.write_text(theirs.replace("COMMIT", f"{ours}COMMIT"))

    assert installed.uninstall().returncode == 0

    assert rules.read_text() == theirs


@pytest.mark.parametrize("place", ["var/lib/kubelet/mine", "var/lib/containerd/mine"])
def test_a_disk_that_is_mounted_in_the_way_keeps_its_files(installed: Root, place: str) -> None:
    precious = installed.write("disk/precious")
    target = installed.path / place
    target.mkdir()

    done = installed.uninstall(before=f"mount --bind {precious.parent} {target}")

    assert done.returncode == 1
    assert f"{target}; umount it" in done.stderr
    assert precious.exists()
    assert "var/lib/lab/owner" in installed.left()


@pytest.mark.parametrize("place", ["var/lib/containerd", "var/lib/etcd"])
def test_a_file_system_of_its_own_for_data_is_emptied(installed: Root, place: str) -> None:
    """That is what preflight advises where no overlay can be used."""
    disk = installed.write("disk/data/layer").parent
    (installed.path / "disk/lost+found").mkdir()

    done = installed.uninstall(before=f"mount --bind {disk.parent} {installed.path / place}")

    assert (done.returncode, done.stderr) == (0, "")
    assert [file.name for file in disk.parent.iterdir()] == ["lost+found"]


@pytest.mark.parametrize("place", ["var/lib/etcd", "etc/kubernetes"])
def test_a_symbolic_link_is_not_followed(installed: Root, place: str) -> None:
    shutil.move(installed.path / place, installed.path / "disk")
    (installed.path / place).symlink_to(installed.path / "disk")

    done = installed.uninstall()

    assert "is a symbolic link; nothing was changed" in done.stderr
    assert any((installed.path / "disk").iterdir())


def ended(installed: Root, program: str) -> bool:
    """Whether a program is ended by the removal, and with it what it waits for."""
    pid = installed.path / "disk/pid"
    pid.parent.mkdir(exist_ok=True)
    # A moment until it is that program.
    done = installed.uninstall(
        before=f"{{ {program} > {pid}.said 2>&1 & echo $! > {pid}; }} && sleep 0.2"
    )
    assert (done.returncode, done.stderr) == (0, "")
    process = Path("/proc", pid.read_text().strip())
    try:
        # One that nobody waited for yet counts as well.
        return "\nState:\tZ" in (process / "status").read_text()
    except FileNotFoundError:
        return True
    finally:
        with suppress(ProcessLookupError):
            os.kill(int(process.name), signal.SIGKILL)


def test_what_runs_from_labs_store_is_ended_and_nothing_else(installed: Root) -> None:
    sleep = shutil.which("sleep")
    assert sleep
    shim = installed.path / "var/lib/lab/artifacts/containerd-1/shim"
    shim.parent.mkdir()
    shutil.copy(sleep, shim)

    assert ended(installed, f"{shim} 600")
    installed.claim()
    assert not ended(installed, "sleep 600")


def test_a_kubeadm_that_waits_for_its_turn_gets_none(installed: Root) -> None:
    once = installed.path / "usr/local/sbin/kubeadm-once"
    once.write_text("#!/bin/sh\nsleep 30\n:\n")
    once.chmod(0o755)

    assert ended(installed, f"{once} init")


def test_directories_that_were_there_are_there_again_with_their_modes(root: Root) -> None:
    (root.path / "var/lib/etcd").mkdir(parents=True, mode=0o700)
    (root.path / "opt/cni/bin").mkdir(parents=True)
    root.claim()
    (root.path / "var/lib/etcd").chmod(0o755)
    (root.path / "opt/cni/bin").rmdir()

    assert root.release().returncode == 0

    assert (root.path / "var/lib/etcd").stat().st_mode & 0o777 == 0o700
    assert (root.path / "opt/cni/bin").is_dir()
    assert not (root.path / "var/lib/lab").exists()


def test_of_a_host_that_is_released_is_told_how_it_differs_from_before(root: Root) -> None:
    rules = root.write("bin/iptables.rules", ":INPUT ACCEPT [1:60]\n-A INPUT -j theirs\n")
    root.write("usr/local/bin/tool")
    root.claim()
    rules.write_text(":INPUT ACCEPT [9:540]\n-A INPUT -j theirs\n-A FORWARD -j KUBE-FORWARD\n")
    root.write("etc/systemd/system/left.service")
    (root.path / "usr/local/bin/tool").unlink()

    found = read_comparison("k1", root.release().stdout)

    assert found.more == (
        f"file {root.path}/etc/systemd/system/left.service",
        "rule of iptables: -A FORWARD -j KUBE-FORWARD",
    )
    assert found.less == (f"file {root.path}/usr/local/bin/tool",)
    assert "differs from before: + file" in found.text


def test_of_a_node_that_is_taken_off_nothing_differs(installed: Root) -> None:
    found = read_comparison("k1", installed.uninstall().stdout)

    assert found.text == "k1: nothing differs from before"
    # Again there is nothing to compare with.
    assert "not compared" in read_comparison("k1", installed.uninstall().stdout).text


def test_modules_that_stay_loaded_are_told_for_what_they_are() -> None:
    said = "lab-compared:\nlab-compared: + module overlay\nlab-compared: + module vxlan\n"

    assert read_comparison("k1", f"other output\n{said}").text == (
        "k1: kernel modules stay until it boots: overlay, vxlan; nothing else differs from before"
    )
