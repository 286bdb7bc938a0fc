"""A node's timers are set in files and taken back, and read from what runs."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from lab.provision import timers
from lab.provision.timers import (
    K3S_DROP_IN,
    K3S_KUBELET_DROP_IN,
    KUBELET_CONFIG,
    MANIFEST,
    Heartbeat,
    Monitor,
    Timers,
)

FAST = Timers(node_monitor_grace_s=20, node_status_report_s=4)
FASTER = Timers(node_monitor_grace_s=15, node_status_report_s=3)
CONFIG = (
    "kind: KubeletConfiguration\nnodeStatusReportFrequency: 0s\nnodeStatusUpdateFrequency: 0s\n"
)
POD = """\
kind: Pod
spec:
  containers:
  - command:
    - kube-controller-manager
    - --bind-address=127.0.0.1
    image: registry.k8s.io/kube-controller-manager:v1.36.3
    name: kube-controller-manager
"""


class Node:
    """A node's files below a directory, and a systemctl that only notes what it was told."""

    def __init__(self, path: Path) -> None:
        self.root = path
        self.calls = path / "calls"
        self.write("/bin/systemctl", f'#!/bin/sh\necho "$*" >> {self.calls}\n').chmod(0o755)

    def write(self, name: str, content: str) -> Path:
        file = Path(f"{self.root}{name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file

    def read(self, name: str) -> str:
        return Path(f"{self.root}{name}").read_text()

    def run(self, script: str) -> list[str]:
        """Return what systemctl was told."""
        self.calls.write_text("")
        path = f"{self.root}/bin:{os.environ['PATH']}"
        subprocess.run(["dash", "-c", script], env={"PATH": path}, check=True)
        return self.calls.read_text().splitlines()

    def files(self) -> set[str]:
        found = (file for file in self.root.rglob("*") if file.is_file())
        return {f"/{file.relative_to(self.root)}" for file in found} - {"/calls", "/bin/systemctl"}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = Node(tmp_path)
    node.write(KUBELET_CONFIG, CONFIG)
    node.write(MANIFEST, POD)
    return node


def shorten(node: Node, distribution: str, *, server: bool, times: Timers = FAST) -> list[str]:
    script = timers.shorten_script(distribution, times, is_server=server, root=str(node.root))
    return node.run(script)


def restore(node: Node, distribution: str, *, server: bool) -> list[str]:
    return node.run(timers.restore_script(distribution, is_server=server, root=str(node.root)))


def settings(text: str) -> list[str]:
    """Return the lines that count, without comments."""
    lines = (line.partition("#")[0].rstrip() for line in text.splitlines())
    return [line for line in lines if line]


def test_a_kubeadm_server_gets_both_timers_and_its_kubelet_is_started_anew(node: Node) -> None:
    called = shorten(node, "kubeadm", server=True)

    assert settings(node.read(KUBELET_CONFIG))[1:] == [
        "nodeStatusUpdateFrequency: 4s",
        "nodeStatusReportFrequency: 4s",
    ]
    command = settings(node.read(MANIFEST))[3:6]
    assert command[1:] == [
        "    - kube-controller-manager",
        "    - --node-monitor-grace-period=20s",
    ]
    assert called == ["restart --no-block kubelet"]


def test_only_servers_have_a_controller_manager(node: Node) -> None:
    shorten(node, "kubeadm", server=False)

    assert node.read(MANIFEST) == POD


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("server", [True, False])
def test_taking_it_back_leaves_every_file_as_it_was(node: Node, times: int, server: bool) -> None:
    before = node.files()

    for _ in range(times):
        shorten(node, "kubeadm", server=server)
    restore(node, "kubeadm", server=server)

    assert (node.read(KUBELET_CONFIG), node.read(MANIFEST)) == (CONFIG, POD)
    assert node.files() == before


def test_a_flag_of_ones_own_is_put_aside_and_comes_back(node: Node) -> None:
    own = POD.replace("    image", "    - --node-monitor-grace-period=45s\n    image")
    node.write(MANIFEST, own)

    shorten(node, "kubeadm", server=True)
    flags = [line for line in settings(node.read(MANIFEST)) if "grace" in line]
    restore(node, "kubeadm", server=True)

    assert flags == ["    - --node-monitor-grace-period=20s"]
    assert node.read(MANIFEST) == own


def test_other_times_take_the_place_of_the_first(node: Node) -> None:
    shorten(node, "kubeadm", server=True)
    shorten(node, "kubeadm", server=True, times=FASTER)

    found = settings(node.read(MANIFEST) + node.read(KUBELET_CONFIG))
    assert [line.strip() for line in found if "grace" in line or "Status" in line] == [
        "- --node-monitor-grace-period=15s",
        "nodeStatusUpdateFrequency: 3s",
        "nodeStatusReportFrequency: 3s",
    ]


@pytest.mark.parametrize(("distribution", "unit"), [("kubeadm", "kubelet"), ("k3s", "k3s")])
def test_what_runs_is_started_anew_although_its_files_are_back(
    node: Node, distribution: str, unit: str
) -> None:
    before = node.files()

    assert restore(node, distribution, server=True) == [f"restart --no-block {unit}"]
    assert (node.read(KUBELET_CONFIG), node.read(MANIFEST)) == (CONFIG, POD)
    assert node.files() == before


def test_k3s_and_its_kubelet_read_the_timers_from_files_of_their_own(node: Node) -> None:
    called = shorten(node, "k3s", server=True)

    grace = yaml.safe_load(node.read(K3S_DROP_IN))
    assert grace == {"kube-controller-manager-arg+": ["node-monitor-grace-period=20s"]}
    assert yaml.safe_load(node.read(K3S_KUBELET_DROP_IN)) == {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "nodeStatusUpdateFrequency": "4s",
        "nodeStatusReportFrequency": "4s",
    }
    assert called == ["restart --no-block k3s"]


def test_a_k3s_agent_is_told_nothing_of_a_controller_manager(node: Node) -> None:
    called = shorten(node, "k3s", server=False)

    assert K3S_DROP_IN not in node.files()
    assert called == ["restart --no-block k3s-agent"]


@pytest.mark.parametrize(("server", "unit"), [(True, "k3s"), (False, "k3s-agent")])
def test_taking_it_back_leaves_no_file_for_k3s(node: Node, server: bool, unit: str) -> None:
    before = node.files()

    shorten(node, "k3s", server=server)

    assert restore(node, "k3s", server=server) == [f"restart --no-block {unit}"]
    assert node.files() == before


def configz(grace: str) -> str:
    lifecycle = {"NodeMonitorGracePeriod": grace}
    shared = {"NodeMonitorPeriod": "5s"}
    told = {"NodeLifecycleController": lifecycle, "KubeCloudShared": shared}
    return json.dumps({"kubecontrollermanager.config.k8s.io": told})


def test_the_controller_manager_says_what_it_runs_with() -> None:
    said = configz("1m5s") + "\n--node-monitor-grace-period=20s\n"

    assert timers.read_monitor(said) == Monitor(grace_s=65, period_s=5)


@pytest.mark.parametrize("first", ["", "Unauthorized", '{"kind": "Status"}'])
def test_its_flag_counts_where_it_does_not_answer(first: str) -> None:
    assert timers.read_monitor(f"{first}\n--node-monitor-grace-period=20s\n") == Monitor(20, 5)


@pytest.mark.parametrize("said", ["", "\n", "Unauthorized\n"])
def test_where_nothing_is_said_nothing_is_known(said: str) -> None:
    assert timers.read_monitor(said) is None


@pytest.mark.parametrize(
    ("version", "expected"),
    [("v1.31.9", 40), ("v1.32.0", 50), ("v1.36.3", 50), ("v1.33.1+k3s1", 50), ("v2.0.0", 50)],
)
def test_the_grace_that_nobody_set_follows_from_the_version(version: str, expected: int) -> None:
    assert timers.default_grace_s(version) == expected


def kubelet(report: str) -> dict[str, object]:
    told = {"nodeStatusReportFrequency": report, "nodeLeaseDurationSeconds": 40}
    return {"kubeletconfig": told}


def test_a_node_is_heard_of_by_its_lease_unless_its_status_is_told_more_often() -> None:
    usual = timers.read_heartbeat(kubelet("5m0s"))
    fast = timers.read_heartbeat(kubelet("4s"))

    assert usual == Heartbeat(300, 10)
    assert (usual.every_s, fast.every_s) == (10, 4)


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "5s or so"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        timers.seconds(text)
