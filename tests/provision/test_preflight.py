"""What is wrong with hosts, both ways: a fit one has no finding, and each change has its own."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from lab.errors import HostUnfit
from lab.provision import k3s
from lab.provision.preflight import (
    SYSCTLS,
    Facts,
    Finding,
    Level,
    Wanted,
    errors,
    judge,
    read_facts,
    require_fit,
    script,
    warnings,
)
from tests.provision.fit_hosts import HA, K3S, KUBEADM, NOW, findings, host


@pytest.mark.parametrize("wanted", [K3S, HA, KUBEADM])
def test_nothing_is_wrong_with_hosts_that_are_fit(wanted: Wanted) -> None:
    hosts = {name: host(name) for name in ("n1", "n2", "n3")}

    assert judge(hosts, wanted) == []
    require_fit([])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"without": "end"}, "cut short"),
        ({"uid": "1000"}, "is not root"),
        ({"systemd": "no: init"}, "systemd does not run there; process 1 is init"),
        ({"arch": "riscv64"}, "its architecture riscv64"),
        ({"arch": "aarch64"}, "it is arm64, and the programs are for amd64"),
        ({"kernel": "4.18.0-553.el8"}, "its kernel 4.18.0-553.el8 is older than 5.4"),
        ({"controllers": "cpu io"}, "missing: cpuset, memory, pids"),
        ({"cgroup": "v1", "controllers": "cpu cpuset pids"}, "missing: memory"),
        ({"kmsg": "missing"}, "/dev/kmsg"),
        ({"overlay": "mount: unknown filesystem type 'overlay'"}, "no overlay can be used"),
        ({"overlay": "invalid argument", "file_system": "overlayfs"}, "on an overlay itself"),
        ({"vxlan": "Unknown device type"}, "no vxlan can be made"),
        ({"bridge": "Unknown device type"}, "no bridge can be made"),
        ({"veth": "Unknown device type"}, "no veth can be made"),
        ({"conntrack": "missing"}, "cannot track connections"),
        ({"nat": "iptables: No chain/target/match by that name"}, "no rule can be set"),
        ({"iptables": "iptables v1.8.2 (nf_tables)"}, "doubles its rules"),
        ({"route": ""}, "no default route"),
        ({"disk": "41000000 6000000"}, "5859 MiB free of 40039"),
        ({"disk": "4000000 2000000"}, "1953 MiB free of 3906"),
        ({"memory": "2000000 900000"}, "879 MiB of memory are free; a server needs 1024"),
        ({"listening": "tcp/192B"}, "port 6443/tcp is in use"),
        ({"listening": "tcp/280A"}, "port 10250/tcp is in use"),
        ({"listening": "udp/2118"}, "port 8472/udp is in use"),
    ],
)
def test_each_thing_without_which_there_is_no_node_is_an_error(
    changed: dict[str, str], said: str
) -> None:
    found = findings(host(**changed))

    assert [each.level for each in errors(found)] == [Level.ERROR]
    assert said in errors(found)[0].what
    assert errors(found)[0].remedy


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cgroup": "v1"}, "cgroup v1"),
        ({"kernel": "5.4.0-200-generic"}, "older than 5.8"),
        ({"br_netfilter": "missing"}, "bridged packets"),
        ({"swap": "/swap.img"}, "it swaps, to /swap.img"),
        ({"firewall": "firewalld"}, "firewalld is on"),
        ({"firewall": "ufw"}, "10250/tcp"),
        ({"vxlan": "untested: no ip"}, "could not be tried"),
        ({"overlay": "untested: no unshare"}, "could not be tried"),
        ({"nat": "untested: no timeout"}, "could not be tried"),
        ({"k3s_program": "/usr/local/bin/k3s"}, "lab puts that of its lock in its place"),
    ],
)
def test_what_only_may_go_wrong_is_a_warning(changed: dict[str, str], said: str) -> None:
    found = findings(host(**changed))

    assert [each.level for each in found] == [Level.WARNING]
    assert said in found[0].what
    require_fit(found)


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        # Both bounds are of what is more than enough.
        ({"disk": "4000000 2200000"}, K3S),
        ({"kernel": "5.4.0-200-generic", "cgroup": "v2"}, KUBEADM),
        ({"iptables": "iptables v1.8.2 (legacy)"}, K3S),
        ({"iptables": "", "nat": "untested: no iptables"}, K3S),
        ({"vxlan": "Unknown device type"}, KUBEADM),
        ({"route": ""}, KUBEADM),
        ({"listening": "udp/2118"}, KUBEADM),
        ({"listening": "tcp/094B tcp/094C"}, K3S),
        ({"k3s_program": "/usr/local/bin/k3s"}, KUBEADM),
        ({"arch": "aarch64"}, Wanted("k3s", frozenset(["n1"]))),
    ],
)
def test_what_does_no_harm_is_no_error(changed: dict[str, str], wanted: Wanted) -> None:
    assert errors(findings(host(**changed), wanted)) == []


def test_ports_of_etcd_are_needed_where_there_is_an_etcd() -> None:
    taken = host(listening="tcp/094B tcp/094C")

    for wanted in (HA, KUBEADM):
        assert len(errors(findings(taken, wanted))) == 2
    assert findings(host("n4", listening="tcp/094B tcp/192B"), HA, "n4") == []


def test_ports_that_only_the_node_itself_uses_must_be_free_too() -> None:
    scheduler, proxy = host("n1", listening="tcp/2813"), host("n1", listening="tcp/2810")
    walled = host(firewall="ufw")

    assert "port 10259/tcp is in use" in findings(scheduler, KUBEADM)[0].what
    assert findings(scheduler, KUBEADM, "n2") == []
    assert "port 10256/tcp is in use" in findings(proxy, KUBEADM, "n2")[0].what
    assert findings(proxy, K3S) == []
    assert "10259" not in findings(walled, KUBEADM)[0].text()


def test_an_agent_needs_less_memory() -> None:
    assert findings(host("n2", memory="1000000 500000"), K3S, "n2") == []
    assert "an agent needs 384" in findings(host("n2", memory="1000000 300000"), K3S, "n2")[0].what


def test_a_node_of_ours_that_runs_may_use_its_ports_and_memory() -> None:
    used = {"listening": "tcp/192B tcp/280A udp/2118", "memory": "2000000 200000"}

    assert findings(host(**used, ours="k3s", k3s="/etc/systemd/system/k3s.service")) == []
    assert len(findings(host(**used))) == 4


@pytest.mark.parametrize(("name", "value"), list(SYSCTLS.items()))
def test_a_kernel_setting_must_be_right_or_be_ours_to_set(name: str, value: int) -> None:
    def told(state: str) -> list[Finding]:
        return findings(read_facts(f"sysctl={name} {state}\nend=x", began=NOW, ended=NOW))

    assert told(f"fixed {value}") == []
    assert told("writable 77") == []
    assert told("absent") == []
    assert f"{name} is 77, and cannot be set to {value}" in told("fixed 77")[0].what


def test_kernel_settings_are_those_that_k3s_is_given() -> None:
    assert set(k3s.SYSCTLS.items()) <= set(SYSCTLS.items())


def test_two_hosts_of_one_name_are_told() -> None:
    hosts = {"n1": host("n1", hostname="debian"), "n2": host("n2", hostname="debian")}

    found = judge(hosts, K3S)

    assert [each.node for each in errors(found)] == ["n1", "n2"]
    assert "hostname debian is that of n2 too" in found[0].what


def test_one_machine_by_two_addresses_is_told_from_a_copied_disk() -> None:
    same = {"machine": "m", "boot": "b"}
    one = judge({"n1": host("n1", **same), "n2": host("n2", **same)}, K3S)
    copied = judge({"n1": host("n1", machine="m"), "n2": host("n2", machine="m")}, K3S)
    # Containers share the kernel, so its boot.
    nodes = judge({"n1": host("n1", boot="b"), "n2": host("n2", boot="b")}, K3S)

    assert "the same machine as n2" in errors(one)[0].what
    assert [each.level for each in copied] == [Level.WARNING, Level.WARNING]
    assert nodes == []


def at(seconds: float, name: str, *, took: float = 0.4) -> Facts:
    lines = {"clock": f"{NOW + seconds + 0.1}", "end": f"{NOW + seconds + 0.3}"}
    facts = host(name, **lines)
    return Facts(facts.said, NOW, NOW + took)


@pytest.mark.parametrize(
    ("clocks", "wrong"),
    [
        ({"n1": 0.0, "n2": 0.0, "n3": 4.0}, []),
        ({"n1": 0.0, "n2": 60.0, "n3": 0.5}, ["n2: its clock is 60 s ahead of"]),
        ({"n1": 0.0, "n2": -60.0, "n3": 0.5}, ["n2: its clock is 60 s behind"]),
        ({"n1": 0.0, "n2": 60.0, "n3": -60.0}, ["n2:", "n3:"]),
        # The nodes agree: it is this host's that is wrong.
        ({"n1": 30.0, "n2": 30.1, "n3": 30.2}, ["this host: its clock is 30 s behind"]),
        ({"n1": 30.0}, ["n1: its clock is 30 s ahead of"]),
        # Three seconds from the first each, and six from each other.
        ({"n1": 0.0, "n2": 3.0, "n3": -3.0}, ["s clock is"]),
    ],
)
def test_the_fewest_clocks_without_which_all_agree_are_named(
    clocks: Mapping[str, float], wrong: list[str]
) -> None:
    found = judge({name: at(seconds, name) for name, seconds in clocks.items()}, K3S)

    told = [f"{each.node}: {each.what}" for each in found]
    assert len(told) == len(wrong)
    assert all(part in text for part, text in zip(wrong, told, strict=True))


def test_a_host_that_is_slow_to_answer_is_not_taken_for_one_with_a_wrong_clock() -> None:
    # Of the nine seconds that it took, the host's clock may have been read in any.
    assert judge({"n1": at(0.0, "n1"), "n2": at(8.0, "n2", took=9.0)}, K3S) == []
    assert judge({"n1": at(0.0, "n1"), "n2": at(8.0, "n2")}, K3S) != []


@dataclass(frozen=True)
class Unreached:
    kind: str = "unreachable"
    said: str = "connect to host 10.0.0.2 port 22: Connection timed out"
    hint: str = "ssh n2 true"


def test_all_problems_of_all_hosts_are_told_together_and_in_order() -> None:
    hosts = {
        "n10": host("n10", swap="/swap.img", arch="aarch64"),
        "n2": Unreached(),
        "n1": host("n1", route="", kmsg="missing"),
    }

    found = judge(hosts, K3S)

    assert [(each.node, each.level) for each in found] == [
        ("n10", Level.ERROR),
        ("n10", Level.WARNING),
        ("n2", Level.ERROR),
        ("n1", Level.ERROR),
        ("n1", Level.ERROR),
    ]
    assert [*errors(found), *warnings(found)] == [*found[:1], *found[2:], found[1]]
    assert found[2].what == f"unreachable: {Unreached().said}"
    with pytest.raises(HostUnfit) as caught:
        require_fit(found)
    assert all(each.what in caught.value.message for each in found)
    assert caught.value.hint == found[0].remedy
    assert caught.value.message.startswith("3 of the hosts")


def test_words_of_a_host_that_make_no_sense_are_no_finding_and_no_crash() -> None:
    odd = (
        "disk=- -\nmemory=x\nlistening=tcp/ZZ udp\nsysctl=\nsysctl=a\nno line\n=\nclock=%N\nend=now"
    )

    assert findings(read_facts(odd, began=NOW, ended=NOW)) == []


def test_words_of_a_host_cannot_steer_the_terminal() -> None:
    facts = read_facts("systemd=no: \x1b[2Jinit\nend=1", began=NOW, ended=NOW)

    assert "\x1b" not in findings(facts)[0].text()


def test_the_script_knows_where_the_data_will_lie() -> None:
    assert script("k3s").startswith("data=/var/lib/rancher/k3s\n")
    assert script("kubeadm").startswith("data=/var/lib/containerd\n")
    assert script("k3s", data="/my data").startswith("data='/my data'\n")


@pytest.mark.parametrize(
    ("lines", "networks"),
    [
        (["eth0 10.0.0.5/24"], ["10.0.0.0/24"]),
        (
            ["eth0 10.0.0.5/24", "eth0 10.0.0.6/24", "eth1 10.1.2.3/16"],
            ["10.0.0.0/24", "10.1.0.0/16"],
        ),
        (["docker0 172.17.0.1/16", "wg0 10.9.0.2"], ["172.17.0.0/16", "10.9.0.2/32"]),
        # Of pods and of one machine alone; of IPv6 none is asked.
        (["cni0 10.244.1.1/24", "flannel.1 10.244.1.0/32", "veth1a2b@if3 10.244.1.1/32"], []),
        (["flannel-wg 10.244.1.0/32", "kube-ipvs0 10.96.0.1/32", "lab-x 10.77.0.1/24"], []),
        (["lo 127.0.0.1/8", "eth0 169.254.7.7/16", "eth0 fd00::2/64"], []),
        (["eth0", "eth0 10.0.0.5/99", "eth0 ten", ""], []),
    ],
)
def test_the_networks_of_a_host_are_those_in_which_it_is_itself(
    lines: list[str], networks: list[str]
) -> None:
    said = "\n".join(f"address={line}" for line in lines)

    assert [str(each) for each in read_facts(said, began=NOW, ended=NOW).networks] == networks
