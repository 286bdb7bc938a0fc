"""End the removal of a node: out of the cluster, off the host, out of the record.

Every step looks first, so that a removal which was cut short goes on from where it was.
"""

from contextlib import suppress

from lab.errors import LabError, NodeUnreachable, NoSpace
from lab.kube import drain
from lab.kube import nodes as kube_nodes
from lab.kube.client import Client
from lab.lifecycle import etcd, own_hosts, publish, servers
from lab.lifecycle.bounds import Bounds
from lab.lifecycle.cluster import Cluster, bind, start_child
from lab.lifecycle.lab import Lab
from lab.lifecycle.plan import Done
from lab.machines.topology import Node
from lab.progress import Progress
from lab.provision.distribution import Distribution


def end_removal(lab: Lab, distribution: Distribution, bounds: Bounds, progress: Progress) -> None:
    """Do it with the lab's lock held, for the node that the record says is being removed.

    The other nodes run. A Node that stayed in the cluster would keep it from ever being as
    the lab should be, so the API server is waited for.
    """
    node = next(node for node in lab.record.nodes if node.number == lab.record.removing)
    cluster = Cluster(lab, distribution, bounds, progress, Done())
    cluster.connect_when_up()
    with progress.task(f"Taking {node.name} out of the cluster"):
        if node.is_server:
            _leave_etcd(lab, node, distribution)
        cluster.insist(lambda client: kube_nodes.delete(client, node.name))
    with progress.task(f"Removing the machine {node.name}"):
        _delete_machine(lab, node)
    cluster.insist(lambda client: _settle(cluster, client, node))
    if node.is_server or lab.record.hosts:
        _tell_others(lab, distribution, bounds, progress)
    # Last: who is cut short before does all of it again.
    lab.set_nodes(lab.record.staying, removing=0)
    publish.publish(lab)
    if node.is_server and lab.kubeconfig.exists() and not lab.has_own_kubeconfig():
        lab.write_kubeconfig(lab.kubeconfig.read_text())


def _settle(cluster: Cluster, client: Client, node: Node) -> None:
    """Let go of what ran on the node, and give to another server what it was there for."""
    drain.forget_pods(client, node.name)
    if node.is_server:
        cluster.keep_one_free(client, cluster.lab.record.staying)


def _leave_etcd(lab: Lab, node: Node, distribution: Distribution) -> None:
    """Have the server leave by itself if it runs; what is left of it then is taken out."""
    if lab.machines.running([node]):
        with suppress(LabError), start_child(lab) as child:
            child.run(distribution.leave_phase(node), lambda host, name: None)
    etcd.take_out(lab, servers.others_running(lab, node), node.name)


def _delete_machine(lab: Lab, node: Node) -> None:
    if lab.record.hosts:
        _give_back(lab, node)
        return
    lab.sandbox.destroy([node])
    for change in lab.journal.open_changes():
        if (change.kind, change.what) == ("machine", node.name):
            with suppress(NoSpace):
                lab.journal.undone(change)
    for file in (lab.keys.host(node), lab.keys.host(node).with_suffix(".pub")):
        file.unlink(missing_ok=True)


def _give_back(lab: Lab, node: Node) -> None:
    """Take all off the host; one that cannot be reached is left to `lab down`."""
    changes = [
        change
        for change in lab.journal.open_changes()
        if (change.kind, change.what) == (own_hosts.KIND, node.name)
    ]
    failure = own_hosts.take_off(lab, changes).get(node.name)
    if failure and not isinstance(failure, NodeUnreachable):
        raise failure
    if failure:
        lab.journal.intend_once(own_hosts.LEFT, node.name)
        return
    for change in changes:
        lab.journal.undone(change)


def _tell_others(lab: Lab, distribution: Distribution, bounds: Bounds, progress: Progress) -> None:
    """Tell the nodes that stay which servers there are now."""
    staying = lab.record.staying
    names = lab.machines.running(staying)
    running = tuple(node for node in staying if node.name in names)
    bound = bind(lab, distribution, lab.record.artifacts, bounds, progress)
    phase = bound.know_phase(running, staying)
    if phase is None:
        return
    with progress.task("Telling all nodes where the API is"), start_child(lab) as child:
        child.run(phase, lambda host, name: None)
