import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from lab.errors import ClusterUnreachable, NotReady
from lab.kube import nodes
from lab.kube.nodes import NodeStatus
from lab.machines.topology import make_nodes
from lab.provision import pod_network, readiness, waiting
from lab.provision.pod_network import judge_answers
from lab.provision.readiness import judge_nodes
from lab.provision.waiting import kubelet_unit

VERSION = "v1.36.3"
SERVERS = ("n1",)
READY = NodeStatus("n1", True, "KubeletReady", "", VERSION, ("control-plane",), True)
SECOND = replace(READY, name="n2", roles=())


def node_object(*conditions: tuple[str, str]) -> dict[str, Any]:
    return {
        "metadata": {"name": "n1", "labels": {}},
        "spec": {},
        "status": {
            "conditions": [{"type": t, "status": s, "reason": "Because"} for t, s in conditions],
            "nodeInfo": {"kubeletVersion": VERSION},
        },
    }


def test_exactly_the_expected_nodes_all_ready_is_ready() -> None:
    assert not judge_nodes(["n1", "n2"], [READY, SECOND], (VERSION,), SERVERS).findings


def test_no_node_at_all_is_not_ready() -> None:
    assert judge_nodes(["n1"], [], (VERSION,), SERVERS).findings == ("n1 has not joined",)


def test_a_node_that_never_joined_is_named() -> None:
    assert judge_nodes(["n1", "n2"], [READY], (VERSION,), SERVERS).findings == (
        "n2 has not joined",
    )


def test_a_node_that_is_not_ready_is_named_with_its_reason() -> None:
    down = replace(SECOND, ready=False, reason="KubeletNotReady", message="cni not initialized")

    missing = judge_nodes(["n1", "n2"], [READY, down], (VERSION,), SERVERS)

    assert missing.text() == "n2 is not Ready (KubeletNotReady: cni not initialized)"


def test_a_node_of_another_version_is_named() -> None:
    old = replace(SECOND, version="v1.35.0")

    assert "n2 runs v1.35.0" in judge_nodes(["n1", "n2"], [READY, old], (VERSION,), SERVERS).text()


def test_a_stranger_in_the_cluster_is_named() -> None:
    assert (
        "n2 is in the cluster" in judge_nodes(["n1"], [READY, SECOND], (VERSION,), SERVERS).text()
    )


def test_ready_is_found_by_type_wherever_it_stands() -> None:
    item = node_object(("Ready", "True"), ("EtcdIsVoter", "False"))

    assert nodes.parse(item).ready


def test_another_condition_in_the_last_place_does_not_count_as_ready() -> None:
    item = node_object(("Ready", "False"), ("EtcdIsVoter", "True"))

    assert not nodes.parse(item).ready


def test_a_node_without_conditions_is_not_ready() -> None:
    assert nodes.parse(node_object()).reason == "NoStatusYet"


def answers(**changed: dict[str, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {
        "http://10.244.1.2:8080/name": {"ok": True, "answer": "n1", "error": ""},
        "http://10.244.2.2:8080/name": {"ok": True, "answer": "n2", "error": ""},
        "http://10.96.0.7:8080/name": {"ok": True, "answer": "n1", "error": ""},
        "kubernetes.default.svc.cluster.local@10.96.0.10": {"ok": True, "answer": "10.96.0.1"},
    }
    return good | changed


ADDRESSES = {"n1": "10.244.1.2", "n2": "10.244.2.2"}
SERVICE = "10.96.0.7"


def test_every_answer_from_the_right_place_is_no_finding() -> None:
    assert judge_answers("n1", answers(), ADDRESSES, SERVICE) == []


def test_a_pod_that_cannot_be_reached_is_named() -> None:
    broken = answers(**{"http://10.244.2.2:8080/name": {"ok": False, "error": "timeout"}})

    assert judge_answers("n1", broken, ADDRESSES, SERVICE) == [
        "n1 cannot reach http://10.244.2.2:8080/name (n2): timeout"
    ]


def test_a_local_service_that_answers_from_another_node_is_named() -> None:
    wrong = answers(**{"http://10.96.0.7:8080/name": {"ok": True, "answer": "n2", "error": ""}})

    assert "asked http://10.96.0.7:8080/name for n1 and got 'n2'" in str(
        judge_answers("n1", wrong, ADDRESSES, SERVICE)
    )


def test_a_name_that_does_not_resolve_is_named() -> None:
    name = "kubernetes.default.svc.cluster.local@10.96.0.10"
    broken = answers(**{name: {"ok": False, "error": "refused"}})

    assert "cannot resolve" in str(judge_answers("n1", broken, ADDRESSES, SERVICE))


def test_a_question_without_an_answer_is_a_finding() -> None:
    assert len(judge_answers("n1", {}, ADDRESSES, SERVICE)) == 4


def test_a_server_that_is_none_and_an_agent_that_is_one_are_told() -> None:
    wrong = judge_nodes(["n1", "n2"], [READY, SECOND], (VERSION,), ("n2",)).findings

    assert wrong == ("n1 is a server and should be none", "n2 is not a server")


def test_in_the_midst_of_an_upgrade_a_node_may_have_either_version() -> None:
    new = replace(SECOND, version="v1.37.0")

    assert not judge_nodes(["n1", "n2"], [READY, new], (VERSION, "v1.37.0"), SERVERS).findings


K3S = "v1.36.3+k3s1"
NO_CNI = (
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
    "message:Network plugin returns error: cni plugin not initialized"
)


def node_of(
    name: str, version: str = VERSION, ready: str = "True", message: str = "", pressure: str = ""
) -> dict[str, Any]:
    """Return a Node object; n1 is a server."""
    conditions = [
        {"type": "MemoryPressure", "status": "False", "message": "enough"},
        {"type": "Ready", "status": ready, "reason": "KubeletNotReady", "message": message},
    ]
    if pressure:
        said = f"kubelet has {pressure}"
        conditions.append({"type": pressure, "status": "True", "message": said})
    labels = {"node-role.kubernetes.io/control-plane": "true"} if name == "n1" else {}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {"conditions": conditions, "nodeInfo": {"kubeletVersion": version}},
    }


def pod_of(name: str, **status: Any) -> dict[str, Any]:
    running = {"phase": "Running", "podIP": f"10.42.{name[1:]}.5"}
    return {"spec": {"nodeName": name}, "status": status or running}


@dataclass
class Api:
    """Answers as the API server would; `cut` are the addresses that no other node reaches."""

    nodes: Sequence[dict[str, Any]] = ()
    pods: Sequence[dict[str, Any]] = ()
    cut: Sequence[str] = ()
    resolves: bool = True
    error: str = ""
    asked: list[str] = field(default_factory=list)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        if self.error:
            raise ClusterUnreachable(self.error)
        if path.endswith("/services/lab-probe"):
            return {"spec": {"clusterIP": "10.96.0.7"}}
        return {"items": self.pods if path.endswith("/pods") else self.nodes}

    def text(self, path: str, query: Sequence[tuple[str, str]]) -> str:
        asker = path.split("lab-probe-")[1].split(":")[0]
        answers: dict[str, Any] = {}
        for kind, target in query:
            address = target.split("//")[-1].split(":")[0]
            # The service answers from the asker's own node.
            name = asker if address == "10.96.0.7" else f"n{address.split('.')[2]}"
            ok = self.resolves if kind == "dns" else name == asker or address not in self.cut
            answers[target] = {"ok": ok, "answer": name, "error": "timed out"}
        return json.dumps(answers)


def failure_of_nodes(api: Api, version: str = VERSION, count: int = 2) -> NotReady:
    with pytest.raises(NotReady) as caught:
        readiness.wait_for_nodes(
            api,  # type: ignore[arg-type]
            make_nodes(count),
            [version],
            timeout_s=0,
            advance=lambda *_: None,
        )
    return caught.value


def failure_of_network(api: Api, count: int = 3, versions: Sequence[str] = ()) -> NotReady:
    with pytest.raises(NotReady) as caught:
        pod_network.wait_for_network(
            api,  # type: ignore[arg-type]
            make_nodes(count),
            timeout_s=0,
            advance=lambda *_: None,
            versions=versions,
        )
    return caught.value


def cluster(version: str = VERSION, count: int = 3, **changed: Any) -> Api:
    names = [f"n{number}" for number in range(1, count + 1)]
    parts = {
        "nodes": [node_of(name, version) for name in names],
        "pods": [pod_of(name) for name in names],
    }
    return Api(**parts | changed)


@pytest.mark.parametrize(
    ("version", "name", "unit"),
    [
        (VERSION, "n1", "kubelet"),
        (VERSION, "n2", "kubelet"),
        (K3S, "n1", "k3s"),
        (K3S, "n2", "k3s-agent"),
    ],
)
def test_whose_journal_to_read_and_which_unit_is_told(version: str, name: str, unit: str) -> None:
    found = [node_of(each, version, "False" if each == name else "True") for each in ("n1", "n2")]

    failure = failure_of_nodes(Api(found), version)

    assert failure.message == (
        f"the nodes did not become ready within 0 s: {name} is not Ready (KubeletNotReady)"
    )
    assert failure.hint == f"lab status, then lab logs {name} --unit {unit}"
    assert kubelet_unit([version], is_server=name == "n1") == unit


@pytest.mark.parametrize(
    ("version", "role", "unit"),
    [(VERSION, "n1", "kubelet"), (K3S, "n1", "k3s"), (K3S, "n2", "k3s-agent")],
)
def test_a_node_that_is_not_of_the_new_version_is_told_with_its_unit(
    version: str, role: str, unit: str
) -> None:
    api = Api([node_of("n1", "v1.35.0"), node_of("n2", "v1.35.0")])

    with pytest.raises(NotReady, match=f"{role} runs v1.35.0, not") as caught:
        readiness.wait_for_version(api, role, version, timeout_s=0)  # type: ignore[arg-type]

    assert caught.value.hint == f"lab status, then lab logs {role} --unit {unit}"


def test_an_api_that_is_away_names_the_server_and_no_unit_that_nobody_knows() -> None:
    away = Api(error="the API server does not answer (Connection refused)")

    failure = failure_of_network(away)
    assert failure.message.endswith("0 s: the API server does not answer (Connection refused)")
    assert failure.hint == "lab status, then lab logs n1"
    assert failure_of_nodes(away, K3S).hint == "lab status, then lab logs n1 --unit k3s"
    with pytest.raises(NotReady) as caught:
        readiness.wait_for_version(away, "n2", K3S, timeout_s=0)  # type: ignore[arg-type]
    assert caught.value.hint == "lab status, then lab logs n2"


@pytest.mark.parametrize(
    ("version", "remedy"), [(VERSION, "--unit containerd"), (K3S, "systemctl restart k3s-agent")]
)
def test_a_node_without_a_network_for_pods_is_told_with_what_makes_it(
    version: str, remedy: str
) -> None:
    failure = failure_of_nodes(
        Api([node_of("n1", version), node_of("n2", version, "False", NO_CNI)]), version
    )

    assert "within 0 s: n2\n  n2: no network for pods: containerd on n2" in failure.message
    assert "cni plugin not initialized" in failure.message
    assert remedy in (failure.hint or "")


def test_nodes_with_different_causes_are_told_one_by_one() -> None:
    found = [
        node_of("n1", ready="False", message=NO_CNI),
        node_of("n2", ready="False", pressure="DiskPressure"),
    ]

    failure = failure_of_nodes(Api(found), count=3)

    assert failure.message.splitlines() == [
        "the nodes did not become ready within 0 s: n1, n2, n3",
        "  n1: no network for pods: containerd on n1 has no configuration of a pod network",
        f"    n1 is not Ready (KubeletNotReady: {NO_CNI})",
        "    remedy: lab logs n1 --unit containerd; /etc/cni/net.d on it holds 10-lab.conflist",
        "  n2: disk pressure: a file system of n2 is full, or nearly",
        "    n2 has DiskPressure=True (kubelet has DiskPressure)",
        "    remedy: df -h on n2; lab artifacts prune --build frees some here",
        "  n3 has not joined",
    ]


def test_a_clock_at_which_the_apis_certificate_is_not_valid_yet_is_told() -> None:
    said = "the API server at https://127.0.0.1:1 does not answer ({} (_ssl.c:1006))"

    failure = failure_of_nodes(Api(error=said.format("certificate is not yet valid")))
    assert "clock skew: the clock of this host or of the first server is wrong" in failure.message
    assert "timedatectl here" in (failure.hint or "")
    other = failure_of_nodes(Api(error=said.format("unable to get local issuer certificate")))
    assert "clock skew" not in other.message


@pytest.mark.parametrize(("version", "remedy"), [(K3S, "8472/udp"), (VERSION, "ip route")])
def test_pods_that_no_other_node_reaches_tell_of_the_way_between_nodes(
    version: str, remedy: str
) -> None:
    cut = [f"10.42.{number}.5" for number in (1, 2, 3)]

    # Asked of the nodes where nobody says of which version they are.
    for versions in ((), (version,)):
        failure = failure_of_network(cluster(version, cut=cut), versions=versions)

        assert failure.message.splitlines() == [
            "the network did not become ready within 0 s: pods of different nodes cannot reach "
            "each other: pods on n1 do not reach those on n2, though both nodes are Ready",
            "    n1 cannot reach http://10.42.2.5:8080/name (n2): timed out",
            "    n1 cannot reach http://10.42.3.5:8080/name (n3): timed out",
            "    n2 cannot reach http://10.42.1.5:8080/name (n1): timed out",
            "    and 3 more like this",
        ]
        assert remedy in (failure.hint or "")


def test_a_pod_that_the_api_server_gets_no_word_from_tells_nothing_against_the_api() -> None:
    class Dropped(Api):
        def text(self, path: str, query: Sequence[tuple[str, str]]) -> str:
            if "lab-probe-n2" in path:
                raise ClusterUnreachable("the API server at A does not answer (Read timed out.)")
            return super().text(path, query)

    whole = cluster(count=2)

    failure = failure_of_network(Dropped(whole.nodes, whole.pods, cut=["10.42.2.5"]), count=2)

    told = failure.message.splitlines()
    assert "pods on n1 do not reach those on n2, though both nodes are Ready" in told[0]
    assert told[1:] == ["    n1 cannot reach http://10.42.2.5:8080/name (n2): timed out"]


def test_names_that_do_not_resolve_are_not_blamed_on_the_way_between_nodes() -> None:
    failure = failure_of_network(cluster(K3S, resolves=False))

    assert "cannot reach each other" not in failure.message
    assert failure.message.splitlines()[0].endswith("within 0 s: n1, n2, n3")
    assert failure.hint == "lab status, then lab logs n1 --unit k3s"


def test_a_probe_pod_that_a_full_disk_keeps_away_is_told_as_that() -> None:
    evicted = pod_of(
        "n2",
        phase="Failed",
        reason="Evicted",
        message="The node had condition: [DiskPressure]. ",
    )

    failure = failure_of_network(cluster(pods=[pod_of("n1"), evicted], count=2), count=2)

    assert failure.message.splitlines()[1:] == [
        "  n2: disk pressure: a file system of n2 is full, or nearly",
        "    n2 runs no probe pod yet (Evicted: The node had condition: [DiskPressure].)",
    ]


def test_a_probe_pod_that_does_not_start_is_told_in_its_kubelets_words() -> None:
    waiting = {"waiting": {"reason": "ErrImageNeverPull", "message": "no such image"}}
    pods = [
        pod_of("n1"),
        pod_of("n2", phase="Pending", containerStatuses=[{"state": waiting}]),
    ]

    failure = failure_of_network(cluster(pods=pods), count=3)

    assert failure.message.splitlines()[1:] == [
        "  n2 runs no probe pod yet (ErrImageNeverPull: no such image)",
        "  n3 runs no probe pod yet",
    ]


def test_a_network_on_which_all_answer_is_ready() -> None:
    pod_network.wait_for_network(
        cluster(),  # type: ignore[arg-type]
        make_nodes(3),
        timeout_s=0,
        advance=lambda *_: None,
    )


@dataclass
class Clock:
    """Time as `lab.provision.waiting` sees it: it passes only while somebody sleeps."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(waiting, "time", made)
    return made


def failed_after(api: Api, clock: Clock, *, timeout_s: float, network: bool = False) -> float:
    """Return the seconds after which the waiting ended; all else is in the error."""
    wait = pod_network.wait_for_network if network else readiness.wait_for_nodes
    began = clock.now
    with pytest.raises(NotReady) as caught:
        wait(
            api,  # type: ignore[arg-type]
            make_nodes(3 if network else 2),
            versions=[VERSION],
            timeout_s=timeout_s,
            advance=lambda *_: None,
        )
    api.error = caught.value.message
    return clock.now - began


def full_disk() -> Api:
    return Api([node_of("n1"), node_of("n2", ready="False", pressure="DiskPressure")])


def test_a_cause_that_lasts_is_told_within_a_minute_and_names_why(clock: Clock) -> None:
    api = full_disk()

    assert 30 < failed_after(api, clock, timeout_s=120) < 60
    assert api.error.startswith(
        "the nodes did not become ready in 40 s, and waiting is in vain: n2"
    )
    assert "disk pressure" in api.error


def test_a_cause_that_may_be_over_soon_is_waited_for_to_the_end(clock: Clock) -> None:
    young = Api([node_of("n1"), node_of("n2", ready="False", message=NO_CNI)])

    assert failed_after(young, clock, timeout_s=120) > 120
    assert "within 120 s" in young.error


def test_who_gives_slow_hosts_more_time_is_patient_with_lasting_causes_too(clock: Clock) -> None:
    assert 225 < failed_after(full_disk(), clock, timeout_s=900) < 260


def test_a_cause_that_is_seen_once_only_is_not_taken_for_lasting(clock: Clock) -> None:
    @dataclass
    class Moment(Api):
        def get(self, path: str, **query: str) -> dict[str, Any]:
            full = 28 < clock.now - 1000 < 38
            self.nodes = (
                full_disk().nodes if full else [node_of("n1"), node_of("n2", ready="False")]
            )
            return Api.get(self, path, **query)

    assert failed_after(Moment(), clock, timeout_s=120) > 120


def test_pods_of_ready_nodes_that_never_reach_each_other_are_told_within_a_minute(
    clock: Clock,
) -> None:
    cut = cluster(cut=["10.42.2.5"])

    assert 45 <= failed_after(cut, clock, timeout_s=90, network=True) < 60
    assert "pods of different nodes cannot reach each other" in cut.error


def test_pods_that_reach_ever_more_are_waited_for(clock: Clock) -> None:
    @dataclass
    class Mending(Api):
        def text(self, path: str, query: Sequence[tuple[str, str]]) -> str:
            late = clock.now - 1000 > 30
            self.cut = ["10.42.2.5"] if late else ["10.42.2.5", "10.42.3.5"]
            return Api.text(self, path, query)

    nodes, pods = cluster().nodes, cluster().pods

    assert 75 <= failed_after(Mending(nodes, pods), clock, timeout_s=90, network=True) < 90


@pytest.mark.parametrize(("timeout_s", "ready"), [(90, "False"), (240, "True")])
def test_pods_of_a_node_that_is_not_ready_or_slow_are_waited_for(
    clock: Clock, timeout_s: float, ready: str
) -> None:
    cut = cluster(cut=["10.42.2.5"])
    cut.nodes = [*cut.nodes[:2], node_of("n3", ready=ready)]

    assert failed_after(cut, clock, timeout_s=timeout_s, network=True) > 85
