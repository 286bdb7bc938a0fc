"""Six real nodes, up and down: what a user of them sees, and what nobody may see."""

import json
import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.machines import netns
from lab.machines.commands import run
from tests.e2e.home import Done, Home, Watch, wait_for
from tests.e2e.leaks import places
from tests.e2e.leaks.find import Secret, find_leaks
from tests.e2e.leaks.lab import all_secrets
from tests.e2e.secrets import Sampler

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

NODES = [f"n{number}" for number in range(1, 7)]
# TEST-NET-1: nobody has it, and it may not be asked for outside.
ELSEWHERE = "192.0.2.1"


@dataclass(frozen=True, slots=True)
class Up:
    """A lab called `lab` with six nodes, and what was seen while it came up."""

    home: Home
    first: Done
    second: Done
    sampler: Sampler

    @property
    def directory(self) -> Path:
        return self.home.paths.lab("lab")

    @property
    def lab_id(self) -> str:
        return str(self.home.record("lab")["lab_id"])


@pytest.fixture(scope="module")
def six(shared_home: Home) -> Up:
    """Bring up six nodes, and start a second `lab up` beside the first."""
    home = shared_home
    with Sampler(home.tokens, home.shown) as sampler:
        running = home.begin("up", "--json")
        assert wait_for(lambda: home.record("lab") or running.poll(), timeout_s=30)
        second = home.lab("up")
        out, err = running.communicate(timeout=300)
    first = subprocess.CompletedProcess(["up"], running.returncode, out, err)
    assert first.returncode == 0, err
    return Up(home, first, second, sampler)


def test_up_tells_what_it_did_and_how_long_each_phase_took(six: Up) -> None:
    told = json.loads(six.first.stdout)

    assert told["changed"] is True
    assert told["nodes"] == NODES
    phases = [phase["phase"] for phase in told["phases"]]
    assert phases[:2] == ["Checking what nodes are made from", "Preparing the host"]
    assert phases[-1] == "Checking DNS, pods and services from every node"
    assert all(phase["seconds"] >= 0 for phase in told["phases"])


def test_a_second_up_at_the_same_time_is_told_who_works_on_the_lab(six: Up) -> None:
    assert six.second.returncode == 4
    assert "Error: another lab command changes lab 'lab' now (pid " in six.second.stderr
    assert "Hint: ps -p " in six.second.stderr


def snapshot(six: Up) -> dict[str, object]:
    """Return what a command that changes nothing must leave as it is."""
    # What lies deeper is written by the nodes, which are alive.
    own = [
        *six.directory.glob("*"),
        *six.directory.glob("keys/*"),
        *six.directory.glob("nodes/*/*"),
    ]
    written = {
        str(path): (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in own
        if path.is_file() and path.name != "console.log"
    }
    machines = [(six.home.node("lab", node) / "machine.json").read_text() for node in NODES]
    booted = six.home.must("ssh", "n2", "stat", "-c", "%y", "/proc/1").strip()
    return {"written": written, "machines": machines, "booted": booted}


def test_an_up_that_finds_all_in_place_changes_nothing_and_says_so(six: Up) -> None:
    before = snapshot(six)

    told = six.home.must("up")

    assert "Lab lab is up already; nothing was changed: 6 nodes" in told
    assert six.home.json("up")["changed"] is False
    assert snapshot(six) == before


def test_status_shows_each_node_as_host_and_cluster_see_it(six: Up) -> None:
    status = six.home.json("status")

    assert status["state"] == "up"
    assert [(n["name"], n["running"], n["ready"]) for n in status["nodes"]] == [
        (node, True, True) for node in NODES
    ]
    assert "n6     agent    10.77.0.16   on      Ready" in six.home.must("status")


def test_list_shows_the_lab(six: Up) -> None:
    assert six.home.json("list") == [{"name": "lab", "state": "running", "nodes": 6}]
    assert "lab    running   6" in six.home.must("list")


def test_kubectl_needs_nothing_on_path(six: Up) -> None:
    names = six.home.must("kubectl", "get", "nodes", "-o", "name")

    assert names.split() == [f"node/{node}" for node in NODES]


def test_a_kubectl_of_the_host_works_with_the_kubeconfig(six: Up) -> None:
    kubeconfig = six.home.must("kubeconfig").strip()
    program = shutil.which("kubectl") or kubectl_of(six)

    done = run([program, "--kubeconfig", kubeconfig, "get", "nodes", "-o", "json"])

    ready = [
        (node["metadata"]["name"], condition["status"])
        for node in json.loads(done)["items"]
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    ]
    assert ready == [(node, "True") for node in NODES]


def kubectl_of(six: Up) -> str:
    kubernetes = Path(six.home.record("lab")["artifacts"]["kubernetes"])
    return str(kubernetes / "tree/usr/local/bin/kubectl")


def test_ssh_runs_a_command_on_the_node_and_passes_its_exit_status_on(six: Up) -> None:
    assert six.home.must("ssh", "n3", "hostname").strip() == "n3"
    assert six.home.lab("ssh", "n3", "exit", "7").returncode == 7


def test_an_unknown_node_is_a_usage_error_that_names_those_there_are(six: Up) -> None:
    done = six.home.lab("ssh", "n9", "true")

    assert done.returncode == 2
    assert "no node 'n9' in this lab; it has n1, n2, n3, n4, n5, n6" in done.stderr


def test_logs_show_the_journal_of_a_node_and_of_one_unit(six: Up) -> None:
    assert "kubelet" in six.home.must("logs", "n2", "--unit", "kubelet", "--lines", "20")
    assert len(six.home.must("logs", "n2", "--lines", "3").splitlines()) >= 3


def test_another_number_of_nodes_is_refused(six: Up) -> None:
    done = six.home.lab("up", "--nodes", "3")

    assert done.returncode == 2
    assert "lab 'lab' has 6 nodes and --nodes is 3" in done.stderr


def test_the_token_was_in_no_command_line_and_no_environment(six: Up) -> None:
    assert six.sampler.tokens, "no token was seen, so nothing was looked for"
    for token in six.sampler.tokens:
        assert six.sampler.showing(token) == []
        assert six.sampler.showing(token.split(b".")[1]) == []


def test_no_private_key_was_in_a_command_line_or_an_environment(six: Up) -> None:
    assert six.sampler.showing(b"PRIVATE KEY") == []


def test_no_token_is_left_in_the_cluster(six: Up) -> None:
    secrets = six.home.must("kubectl", "-n", "kube-system", "get", "secrets", "-o", "name")

    assert "bootstrap-token" not in secrets


def small_files(directory: Path) -> Iterator[Path]:
    """Yield what may hold a key or a token: no program is that small."""
    for parent, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name not in ("root", "containerd")]
        for path in (Path(parent, name) for name in names):
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 1 << 18:
                yield path


def test_every_file_with_a_key_is_for_its_owner_only(six: Up) -> None:
    keys = [
        path
        for path in small_files(six.directory)
        if any(mark in path.read_bytes() for mark in (b"PRIVATE KEY--", b"client-key-data:"))
    ]

    assert {"login", "kubeconfig", "admin.conf", "ca.key"} <= {path.name for path in keys}
    assert stat.S_IMODE(six.directory.stat().st_mode) == 0o700
    assert [path for path in keys if path.stat().st_mode & 0o077] == []


def test_no_log_and_no_record_has_the_token_or_a_key(six: Up) -> None:
    logs = [
        *six.directory.glob("*.log"),
        *six.directory.glob("*.json*"),
        *six.directory.glob("nodes/*/console.log"),
        *six.directory.glob("nodes/*/upper/var/log/*.log"),
    ]
    journals = [six.home.must("ssh", node, "journalctl", "-o", "cat").encode() for node in NODES]

    assert len(logs) > 10
    texts = {str(path): path.read_bytes() for path in logs} | dict(
        zip(NODES, journals, strict=True)
    )
    secrets = [b"PRIVATE KEY", *(token.split(b".")[1] for token in six.sampler.tokens)]
    assert [where for where, text in texts.items() if any(s in text for s in secrets)] == []


def test_the_search_before_down_knows_the_keys_of_all_nodes(six: Up) -> None:
    names = {secret.name for secret in all_secrets(six.home, "lab")}
    files = {name.rpartition("/")[2] for name in names}

    assert {"login", "host-n6", "kubeconfig", "admin.conf", "ca.key", "sa.key"} <= files
    assert "a bootstrap token" in names
    for node in NODES:
        assert any(f"/nodes/{node}/kubelet/pki/" in name for name in names)


def test_the_search_before_down_looks_into_journals_and_files_of_nodes(six: Up) -> None:
    mark = Secret("a mark", b"mark-of-a-test-that-is-no-secret")
    word = mark.value.decode()
    wrote = (
        f"logger {word}; journalctl --sync; umask 022; echo {word} | tee /etc/mark /var/tmp/mark"
    )
    six.home.must("ssh", "n3", wrote)

    found = {leak.where for leak in find_leaks([mark], places.of_lab(six.directory))}
    six.home.must("ssh", "n3", "rm", "/etc/mark", "/var/tmp/mark")

    upper = six.home.node("lab", "n3") / "upper"
    assert {"journal of n3", f"{upper}/etc/mark", f"{upper}/var/tmp/mark"} <= found


def test_nothing_leads_out_of_the_labs_network(six: Up) -> None:
    argv = netns.command(f"lab-{six.lab_id}", ["ip", "-json", "-details", "link", "show"])
    links = {link["ifname"]: link for link in json.loads(run(argv))}

    bridge = f"lab-{six.lab_id}"
    assert set(links) == {"lo", bridge, *(f"vb-{six.lab_id}-{node}" for node in NODES)}
    for name, link in links.items():
        assert link.get("linkinfo", {}).get("info_kind") == (
            None if name == "lo" else "bridge" if name == bridge else "veth"
        )
    outside = json.loads(run(["ip", "-json", "link", "show"]))
    assert not any(six.lab_id in link["ifname"] for link in outside)
    # The other end of each veth is in the namespace of a node, never in the host's.
    assert all(link.get("link_netnsid") is not None for n, link in links.items() if "vb-" in n)


def test_a_node_is_told_at_once_that_nothing_outside_can_be_reached(six: Up) -> None:
    started = time.monotonic()
    done = six.home.lab("ssh", "n1", "ping", "-c1", "-W5", ELSEWHERE)

    assert done.returncode != 0
    assert "unreachable" in (done.stdout + done.stderr).lower()
    assert time.monotonic() - started < 4


def test_a_pod_is_told_at_once_that_nothing_outside_can_be_reached(six: Up) -> None:
    # In the network of the CoreDNS pod, with the node's programs.
    script = (
        "pid=$(pgrep -x coredns | head -n1); "
        f"nsenter --net=/proc/$pid/ns/net ping -c1 -W5 {ELSEWHERE}"
    )
    nodes = [node for node in NODES if Watch(six.home, "lab").runs(node, "/coredns")]

    done = six.home.lab("ssh", nodes[0], script)

    assert done.returncode != 0
    assert "unreachable" in (done.stdout + done.stderr).lower()


def test_the_api_is_on_loopback_only(six: Up) -> None:
    port = six.home.record("lab")["api_port"]
    listening = run(["ss", "-Hltn", f"sport = :{port}"]).split()

    assert f"127.0.0.1:{port}" in listening
    assert f"0.0.0.0:{port}" not in listening


def objects_of(home: Home, name: str) -> str:
    """Return every object that only a person or a command changes, with its version."""
    kinds = "namespaces,deployments,services,configmaps,serviceaccounts,secrets,clusterroles"
    columns = "custom-columns=:.kind,:.metadata.name,:.metadata.resourceVersion"
    return home.must("kubectl", "--name", name, "get", kinds, "-A", "-o", columns)


@pytest.fixture(scope="module")
def two(six: Up) -> Up:
    """Stop the six nodes, make another lab, which takes their port, and start them again."""
    home = six.home
    home.must("stop")
    home.must("up", "--name", "other", "--nodes", "1")
    assert "is up" in home.must("start")
    return six


def test_a_stopped_lab_says_so_and_gives_all_but_its_disks_back(six: Up) -> None:
    lab_id = six.lab_id
    six.home.must("stop")

    stopped = six.home.lab("status", "--json")
    again = six.home.must("stop")

    assert stopped.returncode == 4
    assert json.loads(stopped.stdout)["state"] == "stopped"
    assert "was stopped already" in again
    assert not netns.exists(f"lab-{lab_id}")
    assert not Watch(six.home, "lab").pids("n1")
    assert all((six.home.node("lab", node) / "upper").is_dir() for node in NODES)


def test_two_labs_are_up_at_once_on_the_same_subnet(two: Up) -> None:
    first, other = two.home.json("status"), two.home.json("status", "--name", "other")

    assert (first["state"], other["state"]) == ("up", "up")
    assert first["nodes"][0]["address"] == other["nodes"][0]["address"]
    assert first["api"] != other["api"]
    assert two.home.must("ssh", "--name", "other", "n1", "hostname").strip() == "n1"
    assert [lab["name"] for lab in two.home.json("list")] == ["lab", "other"]


def test_a_lab_whose_port_was_taken_meanwhile_gets_another_that_its_kubeconfig_names(
    two: Up,
) -> None:
    assert two.home.record("lab")["api_port"] != two.home.record("other")["api_port"]
    assert len(two.home.must("kubectl", "get", "nodes", "-o", "name").split()) == 6


def test_a_kubeconfig_of_another_cluster_is_refused_and_nothing_is_written_there(two: Up) -> None:
    home = two.home
    own = two.directory / "kubeconfig"
    before = objects_of(home, "other")
    own.write_bytes((home.paths.lab("other") / "kubeconfig").read_bytes())

    refused = home.lab("kubectl", "create", "namespace", "astray")
    status = home.lab("status")
    repaired = home.must("up")

    assert refused.returncode == 4
    assert f"Error: {own} is for another cluster than the one this lab made" in refused.stderr
    assert "Hint: lab up" in refused.stderr
    assert status.returncode == 4
    assert "is for another cluster" in status.stderr
    assert "Lab lab is ready" in repaired
    assert len(home.must("kubectl", "get", "nodes", "-o", "name").split()) == 6
    assert objects_of(home, "other") == before


def test_a_broken_kubeconfig_is_told_and_written_again(two: Up) -> None:
    (two.directory / "kubeconfig").write_text("{")

    refused = two.home.lab("kubectl", "get", "nodes")
    two.home.must("up")

    assert refused.returncode == 4
    assert "is no kubeconfig lab can use" in refused.stderr
    assert two.home.json("status")["state"] == "up"


def test_removing_one_lab_leaves_the_other_and_nothing_of_itself(two: Up) -> None:
    home = two.home
    port = home.record("other")["api_port"]

    told = home.must("down", "--name", "other", "--yes")

    assert "Lab other is gone" in told
    differences = home.json("doctor", "--residue", "--name", "other")
    assert [each for each in differences if each["blame"] == "lab"] == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=2)
    assert home.json("status")["state"] == "up"


def test_after_down_nothing_differs_from_before(six: Up) -> None:
    home = six.home
    assert home.names() == ["lab"]

    told = home.must("down", "--yes")

    assert "Lab lab is gone" in told
    differences = home.json("doctor", "--residue")
    assert [each for each in differences if each["blame"] == "lab"] == []
    assert home.lab("status").returncode == 2
