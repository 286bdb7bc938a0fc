"""The script itself, on this host: it says all it should, and leaves nothing."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.provision.preflight import (
    SYSCTLS,
    Facts,
    Peer,
    Wanted,
    judge,
    neighbour_script,
    read_facts,
    script,
)

SAID = (
    "clock uid hostname machine boot arch kernel systemd cgroup controllers kmsg place file_system "
    "disk overlay vxlan bridge veth br_netfilter conntrack iptables nat route memory listening "
    "path programs_missing sysctl swap end"
)
IS_ROOT = os.geteuid() == 0
SHELLS = [
    pytest.param(
        shell,
        marks=pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} is not installed"),
    )
    for shell in ("dash", "busybox", "bash")
]


def run(text: str, *, shell: str = "sh", env: dict[str, str] | None = None) -> Facts:
    began = time.time()
    done = subprocess.run(
        [*((shell, "sh") if shell == "busybox" else (shell,)), "-s"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **(env or {})},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return read_facts(done.stdout, began=began, ended=time.time())


@pytest.fixture(scope="module")
def facts() -> Facts:
    return run(script("k3s"))


@pytest.fixture
def stray_links() -> Iterator[None]:
    before = links()
    yield
    assert links() == before


def links() -> set[str]:
    return {line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()}


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_it_has_no_mistakes_and_one_would_be_found() -> None:
    assert shellcheck(script("k3s")) == ""
    assert shellcheck(neighbour_script([Peer("n1", "10.0.0.1"), Peer("n2", "10.0.0.2")])) == ""
    assert "SC2086" in shellcheck(script("k3s") + "\ncd $1\n")


def shellcheck(text: str) -> str:
    argv = ["shellcheck", "--shell=dash", "-"]
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("distribution", ["k3s", "kubeadm"])
@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_says_the_same(facts: Facts, shell: str, distribution: str) -> None:
    said = run(script(distribution), shell=shell)

    assert said.complete
    assert set(said.said) == set(facts.said)
    assert said.networks == facts.networks


def test_it_says_all_that_is_asked(facts: Facts) -> None:
    assert set(SAID.split()) <= set(facts.said)
    assert facts.complete
    assert [line.split()[0] for line in facts.all("sysctl")] == list(SYSCTLS)


def test_what_it_says_is_what_this_host_is(facts: Facts) -> None:
    disk = os.statvfs(facts.one("place"))

    assert facts.one("uid") == str(os.getuid())
    assert facts.one("kernel") == os.uname().release
    assert facts.one("hostname") == os.uname().nodename
    assert facts.numbers("disk")[0] == disk.f_blocks * disk.f_frsize // 1024
    assert facts.sysctls["kernel.panic"][1] == Path("/proc/sys/kernel/panic").read_text().strip()
    ahead = facts.ahead
    assert ahead
    assert ahead[0] <= 0 <= ahead[1]


def test_it_can_be_judged(facts: Facts) -> None:
    found = judge({"n1": facts}, Wanted("k3s", servers=frozenset(["n1"])))

    assert all(each.what and each.remedy for each in found)
    assert not any("cut short" in each.what or "clock" in each.what for each in found)


@pytest.mark.skipif(not IS_ROOT, reason="namespaces are made by root")
@pytest.mark.usefixtures("stray_links")
def test_it_leaves_no_directory_no_mount_and_no_link(tmp_path: Path) -> None:
    mounts = Path("/proc/self/mounts").read_text()

    tried = run(script("k3s", data=f"{tmp_path}/not/there/yet"))

    assert tried.one("place") == str(tmp_path)
    assert not tried.one("overlay").startswith("untested")
    assert list(tmp_path.iterdir()) == []
    assert Path("/proc/self/mounts").read_text() == mounts


def test_it_leaves_no_directory_when_it_is_ended(tmp_path: Path) -> None:
    """Ended in the middle of the trial, by a program that takes its time."""
    programs, data = tmp_path / "bin", tmp_path / "data"
    data.mkdir()
    fake(programs, "unshare", "sleep 60")
    fake(programs, "id", "echo 0")
    process = subprocess.Popen(
        ["sh", "-c", script("k3s", data=str(data))],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 50
        while not any(data.glob("*/lower/removed")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)

    deadline = time.monotonic() + 50
    while any(data.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_whose_programs_are_missing_says_so_and_goes_on(tmp_path: Path) -> None:
    needed = "sh date id printf tr uname cat stat df awk dirname mktemp mkdir rm sort ls grep"
    for name in needed.split():
        found = subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, text=True)
        if found.stdout.startswith("/"):
            (tmp_path / name).symlink_to(found.stdout.strip())
    text = script("k3s", data=str(tmp_path)).replace("PATH=$PATH:", "PATH=$PATH # ")

    said = run(text, env={"PATH": str(tmp_path)})

    assert said.complete
    assert said.one("vxlan") == "untested: no ip"
    assert said.one("nat") == "untested: no iptables"
    assert {"flock", "tar", "ip"} <= set(said.one("programs_missing").split())
    assert not {"awk", "grep"} & set(said.one("programs_missing").split())
    assert said.one("overlay") == ("untested: no unshare" if IS_ROOT else "untested: not root")


def test_it_sees_a_port_that_is_in_use(facts: Facts) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert ("tcp", port) in run(script("k3s")).listening
    assert ("tcp", port) not in facts.listening


def fake(directory: Path, name: str, body: str) -> None:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"#!/bin/sh\n{body}\n")
    (directory / name).chmod(0o755)


@pytest.mark.skipif(not IS_ROOT, reason="namespaces are made by root")
def test_it_sees_that_its_data_would_lie_on_an_overlay(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work", "root"):
        (tmp_path / name).mkdir()
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    root = tmp_path / "root"

    said = within(f"mount -t overlay overlay -o {layers} {root}", script("k3s", data=str(root)))

    assert said.one("file_system") == "overlayfs"
    assert said.one("overlay") not in ("", "ok")
    assert any("on an overlay itself" in each for each in told(said))
    assert list((tmp_path / "upper").iterdir()) == []


@pytest.mark.skipif(not IS_ROOT, reason="namespaces are made by root")
def test_it_sees_kernel_settings_that_cannot_be_set(facts: Facts) -> None:
    said = within("mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys")

    assert {state for state, _ in said.sysctls.values()} <= {"fixed", "absent"}
    assert said.sysctls["kernel.panic"][1] == facts.sysctls["kernel.panic"][1]
    assert facts.sysctls["kernel.panic"][0] == "writable"


@pytest.mark.skipif(not IS_ROOT, reason="namespaces are made by root")
def test_it_sees_that_there_is_no_way_out(facts: Facts) -> None:
    # A network of its own has no route, and nobody who listens.
    said = within("true", kind="--net")

    assert (said.one("route"), said.listening) == ("", frozenset())
    assert "it has no default route" in told(said)
    assert facts.one("route")


@pytest.mark.skipif(not IS_ROOT, reason="namespaces are made by root")
@pytest.mark.parametrize(
    ("place", "file", "said"),
    [
        ("/etc", "systemd/system/k3s.service", "there is a k3s that lab did not put there"),
        ("/etc", "kubernetes/admin.conf", "there is a kubeadm that lab did not put there"),
        ("/var/lib", "lab/join.done", "it is a node of a lab with kubeadm"),
        ("/etc", "ufw/ufw.conf", "ufw is on"),
    ],
)
def test_it_sees_what_is_there_already(
    tmp_path: Path, facts: Facts, place: str, file: str, said: str
) -> None:
    write(tmp_path / file, "ENABLED=yes\n")

    seen = within(f"mount --bind {tmp_path} {place}", script("k3s", data=str(tmp_path)))

    assert any(said in each for each in told(seen))
    assert not any(said in each for each in told(facts))


@pytest.mark.skipif(not IS_ROOT, reason="namespaces are made by root")
def test_it_sees_to_which_lab_a_host_belongs(tmp_path: Path, facts: Facts) -> None:
    write(tmp_path / "lab/owner", "abcd demo\n")

    seen = within(f"mount --bind {tmp_path} /var/lib", script("k3s", data=str(tmp_path)))

    assert "it is a node of the lab demo (abcd)" in told(seen)
    assert "owner" not in facts.said


@pytest.mark.skipif(not IS_ROOT, reason="namespaces are made by root")
@pytest.mark.parametrize(
    ("place", "files", "taken", "foreign"),
    [
        (
            "/etc",
            ("systemd/system/containerd.service", "containerd/config.toml"),
            {"/etc/systemd/system/containerd.service", "/etc/containerd/config.toml"},
            set(),
        ),
        (
            "/etc",
            ("systemd/system/kubelet.service.d/10-kubeadm.conf", "cni/net.d/87-podman.conflist"),
            set(),
            {
                "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
                "/etc/cni/net.d/87-podman.conflist",
            },
        ),
        ("/etc", ("cni/net.d/10-lab.conflist",), {"/etc/cni/net.d/10-lab.conflist"}, set()),
        ("/usr/local", ("bin/kubectl", "bin/helm"), {"/usr/local/bin/kubectl"}, set()),
        ("/usr/local", ("bin/ctr -> k3s",), set(), {"/usr/local/bin/ctr"}),
        ("/usr/local", ("bin/runc -> /var/lib/lab/artifacts/x/tree/runc",), set(), set()),
        ("/opt", ("cni/bin/bridge", "cni/bin/ptp"), {"/opt/cni/bin"}, set()),
        ("/opt", ("cni/bin/ptp -> /var/lib/lab/artifacts/x/tree/ptp",), set(), set()),
        ("/opt", ("cni/bin -> /usr/lib/cni",), set(), {"/opt/cni/bin"}),
        (
            "/usr/lib/systemd/system",
            ("containerd.service", "docker.service"),
            set(),
            {"/usr/lib/systemd/system/containerd.service"},
        ),
    ],
)
def test_it_sees_what_kubeadms_nodes_would_collide_with(
    tmp_path: Path, place: str, files: tuple[str, ...], taken: set[str], foreign: set[str]
) -> None:
    if not Path(place).is_dir():
        pytest.skip(f"there is no {place}")
    for file in files:
        name, _, target = file.partition(" -> ")
        write(tmp_path / name, "of somebody", target)

    said = within(f"mount --bind {tmp_path} {place}", script("kubeadm", data=str(tmp_path)))

    # What this host itself has is in the other places.
    assert {each for each in said.all("taken") if each.startswith(place)} == taken
    assert {each for each in said.all("foreign") if each.startswith(place)} == foreign


@pytest.mark.parametrize("name", ["containerd", "dockerd"])
def test_it_sees_a_runtime_that_runs_and_not_one_of_lab(
    tmp_path: Path, facts: Facts, name: str
) -> None:
    program = tmp_path / name
    shutil.copy("/bin/sleep", program)
    process = subprocess.Popen([program, "60"])
    try:
        said = f"{program} (process {process.pid})"
        assert said in run(script("kubeadm")).all("foreign")
    finally:
        process.kill()
        process.wait()
    assert said not in facts.all("foreign")


def write(path: Path, text: str, target: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if target:
        path.symlink_to(target)
    else:
        path.write_text(text)


def within(first: str, text: str = "", *, kind: str = "--mount") -> Facts:
    """Run the script in a namespace of its own, after a command has changed that."""
    shell = f"unshare {kind} sh -c '{first}; exec sh -s'"
    began = time.time()
    done = subprocess.run(
        ["sh", "-c", shell],
        input=text or script("k3s"),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return read_facts(done.stdout, began=began, ended=time.time())


def told(facts: Facts) -> list[str]:
    return [each.what for each in judge({"n1": facts}, Wanted("k3s", frozenset(["n1"])))]
