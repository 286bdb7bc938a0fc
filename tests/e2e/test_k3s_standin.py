"""Our provisioning of k3s on sandbox nodes, over real SSH and systemd, against a stand-in.

The stand-in (tests/k3s/standin) behaves as k3s' documentation says and is no k3s: what is seen
here is what lab does to a node and what it makes of k3s' answers, not that k3s runs.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest

from lab.artifacts.k3s import PROGRAM, K3sChoice
from lab.errors import ClusterError, ProvisionFailed
from lab.kube import nodes as kube_nodes
from lab.lifecycle import servers
from lab.lifecycle.access import kubectl_program, run_on_node
from lab.lifecycle.bounds import BOUNDS
from lab.lifecycle.cluster import Cluster, start_child
from lab.lifecycle.down import down
from lab.lifecycle.lab import Lab
from lab.lifecycle.making import boot, create, prepare_host
from lab.lifecycle.plan import Done
from lab.lifecycle.versions import remaining
from lab.machines import netns
from lab.machines.topology import Node, make_nodes
from lab.progress import Silent
from lab.provision.child import Phase
from lab.provision.k3s_phases import K3s
from tests.e2e.home import Home, Running, wait_for
from tests.k3s.build import build, make_release
from tests.k3s.upgrading import of_release

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("k3s"), pytest.mark.timeout(300)]

NAME = "standin"
SECRET_FILES = ("/etc/rancher/k3s/config.yaml", "/etc/rancher/k3s/agent-token")


@dataclass(frozen=True, slots=True)
class Made:
    home: Home
    lab: Lab
    k3s: K3s

    def on(self, node: str, script: str) -> str:
        found = next(n for n in self.lab.record.nodes if n.name == node)
        return run_on_node(self.lab, found, script, timeout_s=60).strip()

    def run(self, phase: Phase) -> list[str]:
        """Run a phase; return which operations were done."""
        done: list[str] = []
        with start_child(self.lab) as child:
            child.run(phase, lambda host, name: done.append(f"{host}: {name}"))
        return done

    def outputs(self) -> dict[str, str]:
        settings = self.cluster().settings()
        nodes = self.lab.record.nodes
        asked = servers.find(self.lab, within_s=60)
        phase = self.k3s.start_phase(nodes, settings, secrets={}, new=(), server=asked)
        with start_child(self.lab) as child:
            said = child.run(phase, lambda host, name: None)[asked.name]
        return said | {"server_address": asked.address}

    def cluster(self) -> Cluster:
        return Cluster(self.lab, self.k3s, BOUNDS, Silent(), Done())


@pytest.fixture(scope="module")
def made(shared_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Six nodes, three of them servers, with the stand-in as their k3s."""
    version = K3sChoice().lock.version
    k3s = of_release(make_release(tmp_path_factory.mktemp("release"), version), version)
    paths, progress, done = shared_home.paths, Silent(), Done()
    lab = create(paths, NAME, make_nodes(6, 3), k3s, progress, done, hosts={})
    try:
        prepare_host(lab, progress, done)
        with start_child(lab) as child:
            boot(lab, k3s, BOUNDS, progress, done)
            Cluster(lab, k3s, BOUNDS, progress, done).provision(child)
        yield Made(shared_home, lab, k3s.bind(lab.record.artifacts))
    finally:
        used = Lab.load(paths, NAME).record.artifacts.values()
        # It is not the command that removes it, before which a home searches by itself.
        shared_home.on_down(NAME)
        down(paths, NAME, progress=progress)
        for path in {Path(each) for each in used if Path(each).name.startswith("k3s-")}:
            shutil.rmtree(path)


def test_every_node_is_ready_and_every_server_votes(made: Made) -> None:
    client = made.lab.connect()
    assert wait_for(lambda: all(n.ready for n in kube_nodes.list_nodes(client)), timeout_s=10)

    found = {node.name: node.roles for node in kube_nodes.list_nodes(client)}

    assert found == {
        "n1": ("control-plane", "etcd"),
        "n2": (),
        "n3": ("control-plane", "etcd"),
        "n4": ("control-plane", "etcd"),
        "n5": (),
        "n6": (),
    }


@pytest.mark.parametrize("node", ["n1", "n3", "n6"])
def test_what_is_secret_can_be_read_by_root_only(made: Made, node: str) -> None:
    modes = made.on(node, f"stat -c %a /etc/rancher/k3s {' '.join(SECRET_FILES)}").split()

    assert modes == ["700", "600", "600"]


def test_an_agent_never_gets_the_token_of_servers(made: Made) -> None:
    token = made.on("n1", "cat /var/lib/rancher/k3s/server/token").rpartition(":")[2]

    assert token in made.on("n3", "cat /etc/rancher/k3s/server-token")
    assert made.on("n6", f"grep -rl --exclude-dir=artifacts {token} /etc /var/lib || true") == ""


def test_those_who_join_pin_the_ca(made: Made) -> None:
    pinned = made.on("n1", "sha256sum < /var/lib/rancher/k3s/server/tls/server-ca.crt").split()[0]

    for node in ("n3", "n6"):
        assert made.on(node, "cat /etc/rancher/k3s/agent-token").startswith(f"K10{pinned}::")


def test_no_token_is_in_a_journal_or_in_the_log_of_provisioning(made: Made) -> None:
    tokens = [
        made.on("n1", f"cat /var/lib/rancher/k3s/server/{t}") for t in ("token", "agent-token")
    ]
    for token in tokens:
        secret = token.rpartition(":")[2]
        assert secret not in (made.lab.directory / "provision.log").read_text()
        for node in ("n1", "n6"):
            assert secret not in made.on(node, "journalctl --no-pager --output=cat")


def test_a_second_run_changes_nothing_and_restarts_nothing(made: Made) -> None:
    before = made.on("n6", "systemctl show k3s-agent --property=ExecMainPID")
    nodes = made.lab.record.nodes

    done = made.run(made.k3s.join_phase(nodes[4:], nodes, made.outputs()))

    assert done == []
    assert made.on("n6", "systemctl show k3s-agent --property=ExecMainPID") == before


def agent_of(made: Made, node: Node, **changes: object) -> Phase:
    """Return the phase in which one agent joins, with some of its data changed."""
    phase = made.k3s.join_phase((node,), made.lab.record.nodes, made.outputs())
    target = phase.targets[0]
    return replace(phase, targets=(replace(target, data=target.data | changes),))


def test_a_plain_pyinfra_run_of_the_deploy_finds_nothing_to_do(made: Made, tmp_path: Path) -> None:
    node = made.lab.record.nodes[4]
    keys = made.lab.keys
    data = agent_of(made, node).targets[0].data | {
        "ssh_hostname": node.address,
        "ssh_user": "root",
        "ssh_key": str(keys.login),
        "ssh_known_hosts_file": str(keys.known_hosts),
        "ssh_strict_host_key_checking": "yes",
        "ssh_config_file": os.devnull,
    }
    inventory = tmp_path / "inventory.py"
    inventory.touch(mode=0o600)
    inventory.write_text(f"agents = {[(node.name, data)]!r}\n")
    pyinfra = Path(sys.executable).with_name("pyinfra")

    done = subprocess.run(
        netns.command(
            f"lab-{made.lab.record.lab_id}",
            [str(pyinfra), "-y", str(inventory), "lab.provision.k3s.agent"],
        ),
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    assert re.search(r"Grand total +- +- +- +- *$", done.stderr, re.MULTILINE)


def test_another_program_is_uploaded_compared_and_only_then_run(made: Made, tmp_path: Path) -> None:
    node = made.lab.record.nodes[4]
    other = tmp_path / "k3s"
    build("v1.36.4+k3s1", other)
    content = hashlib.sha256(other.read_bytes()).hexdigest()
    before = made.on("n5", "sha256sum /usr/local/bin/k3s")

    with pytest.raises(ProvisionFailed, match="the upload of k3s is damaged"):
        made.run(agent_of(made, node, program=str(other), program_sha256="0" * 64))
    assert made.on("n5", "sha256sum /usr/local/bin/k3s") == before
    assert made.on("n5", "ls /var/lib/lab/stage") == ""

    done = made.run(agent_of(made, node, program=str(other), program_sha256=content))

    assert "n5: Start k3s and wait until it works" in done
    assert "v1.36.4" in made.on("n5", "k3s --version")
    assert made.run(agent_of(made, node, program=str(other), program_sha256=content)) == []
    made.run(agent_of(made, node, program=f"{made.lab.record.artifacts['k3s']}/tree/{PROGRAM}"))
    assert made.on("n5", "sha256sum /usr/local/bin/k3s") == before


def test_a_wrong_token_is_told_within_seconds_and_not_waited_for(made: Made) -> None:
    outputs = made.outputs()
    wrong = outputs["agent_token"].rpartition(":")[0] + ":n0tth1s"
    nodes = made.lab.record.nodes

    with pytest.raises(ProvisionFailed, match=r"not authorized") as caught:
        made.run(made.k3s.join_phase(nodes[5:], nodes, outputs | {"agent_token": wrong}))

    assert "n0tth1s" not in str(caught.value)
    made.run(made.k3s.join_phase(nodes[5:], nodes, outputs))


def test_a_rebuilt_node_is_told_that_its_password_is_another(made: Made) -> None:
    made.on("n6", "systemctl stop k3s-agent; echo other > /etc/rancher/node/password")
    made.on("n6", "rm /var/lib/lab/stamps/k3s-runs-*")
    nodes = made.lab.record.nodes

    with pytest.raises(ProvisionFailed, match="Node password rejected"):
        made.run(made.k3s.join_phase(nodes[5:], nodes, made.outputs()))

    kube_nodes.delete(made.lab.connect(), "n6")
    made.run(made.k3s.join_phase(nodes[5:], nodes, made.outputs()))


def test_an_address_that_was_remembered_is_forgotten_before_a_start(made: Made) -> None:
    cache = "/var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json"
    made.on("n5", "systemctl stop k3s-agent; rm /var/lib/lab/stamps/k3s-runs-*")
    stale = {"ServerURL": "https://10.77.0.11:6443", "ServerAddresses": ["10.77.0.99:6443"]}
    made.on("n5", f"cat > {cache} <<'END'\n{json.dumps(stale)}\nEND")
    nodes = made.lab.record.nodes

    made.run(made.k3s.join_phase(nodes[4:5], nodes, made.outputs()))

    # The agent says at its start whom it remembers.
    assert "10.77.0.99" not in made.on("n5", "journalctl --unit=k3s-agent --no-pager")


def test_a_k3s_of_somebody_else_is_refused_and_left_alone(made: Made) -> None:
    made.on("n2", "mv /var/lib/lab/k3s /var/lib/lab/away; rm /var/lib/lab/stamps/k3s-ours")
    nodes = made.lab.record.nodes
    try:
        with pytest.raises(ProvisionFailed, match="a k3s that lab did not put here"):
            made.run(made.k3s.join_phase(nodes[1:2], nodes, made.outputs()))
        with pytest.raises(ProvisionFailed, match="not put by lab; nothing was changed"):
            made.run(made.k3s.uninstall_phase(nodes[1:2]))
    finally:
        made.on("n2", "mv /var/lib/lab/away /var/lib/lab/k3s")
    assert made.on("n2", "systemctl is-active k3s-agent") == "active"


def test_a_first_server_that_is_lost_is_replaced_by_one_that_joins_and_founds_nothing(
    made: Made,
) -> None:
    """What `lab node remove` and `add` do, without etcd's gateway, which the stand-in has not."""
    lab, nodes = made.lab, made.lab.record.nodes
    lost, staying = nodes[0], nodes[1:]
    cluster = lab.record.identity
    lab.sandbox.destroy([lost])
    assert servers.find(lab, within_s=60).name == "n3"
    made.cluster().insist(lambda client: kube_nodes.delete(client, lost.name))
    made.run(made.k3s.know_phase(staying, staying))
    lab.set_nodes(staying)

    lab.set_nodes(nodes)
    prepare_host(lab, Silent(), Done())
    done = Done()
    with start_child(lab) as child:
        boot(lab, made.k3s, BOUNDS, Silent(), done)
        Cluster(lab, made.k3s, BOUNDS, Silent(), done).provision(child)

    assert ("n1", "join as server") in [(each.target, each.action) for each in done.actions]
    config = made.on("n1", "cat /etc/rancher/k3s/config.yaml")
    assert 'server: "https://10.77.0.13:6443"' in config
    assert "cluster-init" not in config
    assert 'server: "https://10.77.0.13:6443"' in made.on("n5", "cat /etc/rancher/k3s/config.yaml")
    found = {node.name: node for node in kube_nodes.list_nodes(lab.connect())}
    assert len(found) == 6
    assert all(found[name].votes for name in ("n1", "n3", "n4"))
    assert lab.record.identity == cluster


NEWER = "v1.36.4+k3s1"
ORDER = ("n1", "n3", "n4", "n2", "n5", "n6")


@dataclass(frozen=True, slots=True)
class Newer:
    """The release to which the lab is brought."""

    made: Made
    release: Path
    k3s: K3s

    def begin(self) -> Running:
        arguments = ("-m", "tests.k3s.upgrading", NAME, str(self.release), NEWER)
        return subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.made.home.environ,
            cwd=Path(__file__).parents[2],
        )

    def run(self) -> list[str]:
        """Upgrade to the end; return which nodes were upgraded, in their order."""
        running = self.begin()
        out, err = running.communicate(timeout=280)
        assert running.returncode == 0, err
        done = [each["target"] for each in json.loads(out) if "upgrade" in each["action"]]
        self.made.lab.record = Lab.load(self.made.home.paths, NAME).record
        return done

    def outdated(self) -> list[str]:
        """Return the nodes of older version, in the order in which they are upgraded."""
        try:
            found = kube_nodes.list_nodes(self.made.lab.connect())
        except ClusterError:
            return list(ORDER)
        return [node.name for node in remaining(self.made.lab.record.nodes, found, NEWER)]


@pytest.fixture(scope="module")
def newer(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Newer:
    release = make_release(tmp_path_factory.mktemp("newer"), NEWER)
    return Newer(made, release, of_release(release, NEWER))


@pytest.fixture(scope="module")
def upgraded(newer: Newer) -> Newer:
    """A lab that was upgraded, with a command that was killed after the first server."""
    running = newer.begin()
    has_begun = wait_for(lambda: "n1" not in newer.outdated(), timeout_s=120, every_s=0.1)
    running.kill()
    assert has_begun, running.communicate()[1]
    running.communicate()
    assert newer.made.home.record(NAME)["upgrading"] == NEWER

    done = newer.run()

    # What the killed command had begun on n3 may have ended without it.
    assert done in ([*ORDER[1:]], [*ORDER[2:]])
    return newer


def unit_of(node: str) -> str:
    return "k3s" if node in ORDER[:3] else "k3s-agent"


def test_an_upgrade_that_is_killed_goes_on_until_every_node_runs_the_new_version(
    upgraded: Newer,
) -> None:
    made = upgraded.made

    assert upgraded.outdated() == []
    for node in ORDER:
        assert NEWER in made.on(node, "k3s --version")
        assert made.on(node, f"systemctl is-active {unit_of(node)}") == "active"
    record = made.home.record(NAME)
    assert (record["version"], record["upgrading"], record["gate_passed"]) == (NEWER, "", True)


def test_servers_are_upgraded_one_after_the_other_and_before_agents(upgraded: Newer) -> None:
    def when(node: str, what: str) -> int:
        """Return microseconds of the clock that the nodes share with the host."""
        shown = f"systemctl show {unit_of(node)} --property={what}TimestampMonotonic --value"
        return int(upgraded.made.on(node, shown))

    for before, after in pairwise(ORDER):
        assert when(before, "ActiveEnter") < when(after, "ExecMainStart")


def test_etcds_data_is_saved_once_before_the_first_server_is_upgraded(upgraded: Newer) -> None:
    saved = "cd /var/lib/rancher/k3s/server/db/snapshots 2>/dev/null && ls; true"
    found = {node: upgraded.made.on(node, saved).split() for node in ORDER[:3]}

    (name,) = found["n1"]
    assert name.startswith("before-v1.36.4-k3s1-n1-")
    assert (found["n3"], found["n4"]) == ([], [])


def test_images_of_the_new_release_and_the_probes_are_where_k3s_imports_them(
    upgraded: Newer,
) -> None:
    images = "/var/lib/rancher/k3s/agent/images"
    for node in ("n1", "n6"):
        assert f"no image of {NEWER}" in upgraded.made.on(node, f"cat {images}/*.tar.zst")
        assert "lab-probe.tar" in upgraded.made.on(node, f"ls {images}")


def test_a_second_upgrade_does_nothing_on_any_node(upgraded: Newer) -> None:
    made = upgraded.made
    artifacts = made.lab.record.artifacts
    pids = [made.on(node, f"systemctl show {unit_of(node)} -P ExecMainPID") for node in ORDER]

    assert upgraded.run() == []
    for node in made.lab.record.nodes:
        phase = upgraded.k3s.upgrade_phase(node, artifacts, first=node.name == "n1")
        assert made.run(phase) == []
    assert pids == [
        made.on(node, f"systemctl show {unit_of(node)} -P ExecMainPID") for node in ORDER
    ]


def test_after_an_upgrade_joining_finds_nothing_to_do(upgraded: Newer) -> None:
    made, nodes = upgraded.made, upgraded.made.lab.record.nodes
    bound = upgraded.k3s.bind(made.lab.record.artifacts)

    assert made.run(bound.join_phase(nodes[4:], nodes, made.outputs())) == []
    assert made.run(bound.join_server_phase(nodes[2], nodes, made.outputs())) == []


def test_kubectl_is_of_the_new_version_and_asks_the_upgraded_cluster(upgraded: Newer) -> None:
    made = upgraded.made
    program, *_ = kubectl_program(made.lab)[0]

    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    nodes = json.loads(made.home.must("kubectl", "--name", NAME, "get", "nodes", "-o", "json"))

    assert NEWER in said.stdout
    versions = {each["status"]["nodeInfo"]["kubeletVersion"] for each in nodes["items"]}
    assert versions == {NEWER}


LEFT = (
    "ls -d /etc/rancher /run/k3s /var/lib/rancher/k3s /etc/systemd/system/k3s* "
    "/etc/systemd/system/*/k3s* /etc/sysctl.d/*k3s* /etc/modules-load.d/*k3s* "
    "/var/lib/lab/k3s /var/lib/lab/stamps/k3s-* /usr/local/sbin/wait-for-k3s 2>/dev/null; "
    "pgrep -fa 'k3s|containerd-shim'; systemctl list-units --plain 'k3s*' "
    "--no-legend; true"
)


def test_uninstalling_leaves_nothing_not_even_containers_that_outlived_their_unit(
    made: Made,
) -> None:
    made.on("n6", "systemctl stop k3s-agent")
    assert "containerd-shim" in made.on("n6", "pgrep -fa containerd-shim")

    made.run(made.k3s.uninstall_phase(made.lab.record.nodes[5:]))

    assert made.on("n6", LEFT) == ""
