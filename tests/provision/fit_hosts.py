"""Hosts that are fit to be nodes, and each but for what a test says."""

from lab.provision.preflight import SYSCTLS, Facts, Finding, Wanted, judge, read_facts

NOW = 1_800_000_000.0
FIT = {
    "clock": f"{NOW + 0.1:.3f}",
    "uid": "0",
    "path": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "hostname": "NAME",
    "machine": "machine-NAME",
    "boot": "boot-NAME",
    "arch": "x86_64",
    "kernel": "6.1.0-28-amd64",
    "systemd": "running",
    "cgroup": "v2",
    "controllers": "cpuset cpu io memory hugetlb pids",
    "kmsg": "ok",
    "place": "/var/lib",
    "file_system": "ext2/ext3",
    "disk": "41000000 30000000",
    "overlay": "ok",
    "vxlan": "ok",
    "bridge": "ok",
    "veth": "ok",
    "br_netfilter": "loadable",
    "conntrack": "loaded",
    "iptables": "iptables v1.8.9 (nf_tables)",
    "nat": "ok",
    "route": "eth0",
    "address": "eth0 10.0.0.1/24",
    "memory": "4000000 3000000",
    "listening": "tcp/0016 udp/0044",
    "swap": "",
    "programs_missing": "",
    "end": f"{NOW + 0.3:.3f}",
}
K3S = Wanted("k3s", servers=frozenset(["n1"]), architecture="amd64")
HA = Wanted("k3s", servers=frozenset(["n1", "n2", "n3"]), architecture="amd64")
KUBEADM = Wanted("kubeadm", servers=frozenset(["n1"]), architecture="amd64")


def host(name: str = "n1", *more: str, without: str = "", **changed: str) -> Facts:
    lines = [
        f"{key}={value}".replace("NAME", name)
        for key, value in (FIT | changed).items()
        if key != without
    ]
    sysctls = [f"sysctl={key} writable 0" for key in SYSCTLS]
    return read_facts("\n".join((*lines, *sysctls, *more)), began=NOW, ended=NOW + 0.4)


def findings(facts: Facts, wanted: Wanted = K3S, name: str = "n1") -> list[Finding]:
    return judge({name: facts}, wanted)
