"""The lab's own network: a namespace with a bridge in it and no link that leads out."""

from lab.machines import netns
from lab.machines.commands import run
from lab.machines.topology import GATEWAY, MAX_NODES, SUBNET, make_nodes


def name(lab_id: str) -> str:
    """Return what the namespace and the bridge inside it are both called."""
    return f"lab-{lab_id}"


def create(lab_id: str) -> None:
    """Make namespace and bridge; changes nothing when both are there."""
    namespace = bridge = name(lab_id)
    netns.create(namespace)
    batch = [
        f"link add {bridge} type bridge",
        f"address replace {GATEWAY}/{SUBNET.prefixlen} dev {bridge}",
        f"link set {bridge} up",
        # The bridge answers for every address that is not the lab's: at once, with
        # "unreachable", so that a node which looks for the internet need not wait.
        "route replace unreachable default",
        # And a pod that looks for it: without the way back it would not be told.
        *(f"route replace {node.pod_subnet} via {node.address}" for node in make_nodes(MAX_NODES)),
    ]
    if has_link(lab_id, bridge):
        batch = batch[1:]
    run(netns.command(namespace, ["ip", "-batch", "-"]), input="\n".join(batch))
    # By the shell, which every host has: sysctl is not on each of them.
    run(netns.command(namespace, ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]))


def destroy(lab_id: str) -> None:
    netns.destroy(name(lab_id))


def link(lab_id: str, node_name: str) -> str:
    """Return the name nspawn gives the host's end of a node's link."""
    return f"vb-{lab_id}-{node_name}"


def has_link(lab_id: str, link_name: str) -> bool:
    shown = run(netns.command(name(lab_id), ["ip", "-brief", "link", "show"]))
    return any(line.split()[0].split("@")[0] == link_name for line in shown.splitlines())


def drop_link(lab_id: str, node_name: str) -> None:
    """Cut a node off without a word: no FIN or RST leaves it any more."""
    if netns.exists(name(lab_id)) and has_link(lab_id, link(lab_id, node_name)):
        run(netns.command(name(lab_id), ["ip", "link", "delete", link(lab_id, node_name)]))
