"""Can the kernel carry the nodes' network, their services, and the faults put on it?"""

import shutil
import socket
from collections.abc import Callable

from lab.doctor import throwaway
from lab.doctor.findings import Finding, one_line
from lab.errors import CommandFailed

_BRIDGE = """\
link add lab-doctor type bridge
link add vb-doctor type veth peer name host0
link set vb-doctor master lab-doctor up
link set lab-doctor up
"""

# A partition between nodes, in each of the two families that faults use.
_PARTITION = """\
table bridge doctor {
    chain forward {
        type filter hook forward priority filter
        ether type ip counter drop
    }
}
table inet doctor {
    chain input {
        type filter hook input priority filter
        ip saddr 10.77.0.11 tcp dport 6443 counter drop
    }
}
"""

# What kube-proxy writes, by the program that it uses.
_SERVICES_IPTABLES = """\
*filter
:DOCTOR-FORWARD - [0:0]
-A FORWARD -m comment --comment doctor -j DOCTOR-FORWARD
-A DOCTOR-FORWARD -m conntrack --ctstate INVALID -j DROP
-A DOCTOR-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A DOCTOR-FORWARD -p tcp -j REJECT
COMMIT
*nat
:DOCTOR-SVC - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCTOR-SVC
-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE --random-fully
-A DOCTOR-SVC -m statistic --mode random --probability 0.5 -j MARK --set-xmark 0x4000/0x4000
-A DOCTOR-SVC -p tcp -j DNAT --to-destination 10.244.1.2:80
COMMIT
"""

# The same without iptables.
_SERVICES_NFT = """\
table ip doctor {
    chain service {
        numgen random mod 2 0 meta mark set meta mark or 0x4000 comment "doctor"
        meta l4proto tcp dnat to 10.244.1.2:80
    }
    chain prerouting {
        type nat hook prerouting priority dstnat
        fib daddr type local jump service
    }
    chain postrouting {
        type nat hook postrouting priority srcnat
        meta mark and 0x4000 == 0x4000 masquerade random,fully-random
    }
    chain forward {
        type filter hook forward priority filter
        ct state invalid drop
        reject
    }
}
"""


def bridge() -> Finding:
    return _try(
        "bridge",
        lambda: throwaway.in_network("ip", "-batch", "-", work=_BRIDGE),
        works="a bridge with a veth pair can be made",
        missing="a kernel with CONFIG_BRIDGE and CONFIG_VETH",
    )


def nftables() -> Finding:
    return _try(
        "nftables",
        lambda: throwaway.in_network("nft", "-f", "-", work=_PARTITION),
        works="rules can be set in the families bridge and inet",
        missing="a kernel with CONFIG_NF_TABLES_BRIDGE and CONFIG_NF_TABLES_INET",
    )


def services() -> Finding:
    """Nodes bring their own iptables, so a host without one is asked through nft."""
    restore = shutil.which("iptables-nft-restore")
    if restore:
        return _try(
            "services",
            lambda: throwaway.in_network(restore, work=_SERVICES_IPTABLES),
            works="what kube-proxy sets works through iptables-nft",
            missing="a kernel with CONFIG_NFT_COMPAT, CONFIG_NF_NAT and the xtables matches",
        )
    return _try(
        "services",
        lambda: throwaway.in_network("nft", "-f", "-", work=_SERVICES_NFT),
        works="what kube-proxy sets works through nft (the host has no iptables-nft to ask)",
        missing="a kernel with CONFIG_NF_NAT, CONFIG_NFT_MASQ, CONFIG_NFT_NUMGEN, CONFIG_NFT_FIB",
    )


def netem() -> Finding:
    work = "qdisc add dev lo root netem delay 1ms loss 1%\n"
    return _try(
        "netem",
        lambda: throwaway.in_network("tc", "-batch", "-", work=work),
        works="latency and loss can be set",
        missing="a kernel with CONFIG_NET_SCH_NETEM",
        without=": no latency and loss scenarios",
        required=False,
    )


def loopback() -> Finding:
    """Published ports listen on 127.0.0.1."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(1)
            address = server.getsockname()
            with socket.create_connection(address, timeout=1), server.accept()[0]:
                return Finding("loopback", True, "127.0.0.1 listens and answers")
    except OSError as exc:
        detail = f"a TCP connection on 127.0.0.1 fails: {exc}"
        return Finding("loopback", False, detail, "ip link set lo up")


def _try(
    name: str,
    use: Callable[[], None],
    *,
    works: str,
    missing: str,
    without: str = "",
    required: bool = True,
) -> Finding:
    try:
        use()
    except CommandFailed as exc:
        return Finding(name, False, one_line(exc.message) + without, missing, required)
    return Finding(name, True, works, None, required)
