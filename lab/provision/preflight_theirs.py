"""What is on a host already, and whose is it? lab overwrites nothing that is not its own."""

from lab.provision.preflight_facts import Facts
from lab.provision.preflight_findings import Finding, Found, Level, Wanted

# What lab writes on a node of kubeadm, but for what is below /var/lib/lab.
CLAIMED = (
    *(
        f"/usr/local/bin/{name}"
        for name in (
            "kubernetes",
            "kubeadm",
            "kubectl",
            "kubelet",
            "kube-proxy",
            "containerd",
            "containerd-shim-runc-v2",
            "ctr",
        )
    ),
    *(f"/usr/local/sbin/{name}" for name in ("kubeadm-once", "wait-for-api")),
    *(
        f"/etc/systemd/system/{name}.service"
        for name in ("containerd", "kubelet", "kube-proxy", "lab-routes")
    ),
    "/etc/cni/net.d/10-lab.conflist",
    "/etc/containerd/config.toml",
    "/etc/lab/api-hosts",
    "/etc/sysctl.d/90-lab.conf",
    "/opt/cni/bin",
    # Emptied when the node is taken off again.
    "/etc/kubernetes",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/var/lib/kubelet",
)

_UNDO = {"k3s": "k3s-uninstall.sh or k3s-agent-uninstall.sh", "kubeadm": "kubeadm reset"}


def of_owner(node: str, facts: Facts, wanted: Wanted) -> Found:
    if not wanted.is_of_another_lab(facts):
        return
    owner = facts.owner
    if owner:
        yield Finding(
            node,
            f"it is a node of the lab {owner.name} ({owner.lab_id})",
            f"lab list, lab down --name {owner.name}, where that lab was made",
        )
    else:
        yield Finding(
            node,
            f"/var/lib/lab/owner names no lab: {facts.one('owner')!r}",
            f"lab list, where labs are made; if {node} is of none: rm /var/lib/lab/owner there",
        )


def of_clusters(node: str, facts: Facts, wanted: Wanted) -> Found:
    if wanted.is_of_another_lab(facts):
        return
    for kind, undo in _UNDO.items():
        paths = facts.all(kind)
        if kind in facts.all("ours"):
            if kind != wanted.distribution:
                yield Finding(node, f"it is a node of a lab with {kind}", "lab list, lab down")
        elif paths:
            adopted = wanted.adopt and kind == wanted.distribution == "k3s"
            yield Finding(
                node,
                f"there is a {kind} that lab did not put there: {', '.join(paths)}",
                f"if nobody needs it: {undo} on {node}",
                Level.WARNING if adopted else Level.ERROR,
            )


def of_program(node: str, facts: Facts, wanted: Wanted) -> Found:
    path = facts.one("k3s_program")
    if path and wanted.distribution == "k3s" and "k3s" not in facts.all("ours"):
        what = f"there is a {path}, and lab puts that of its lock in its place"
        yield Finding(node, what, f"{path} --version on {node}, to see which", Level.WARNING)


def of_collisions(node: str, facts: Facts, wanted: Wanted) -> Found:
    """Only kubeadm's nodes have a containerd and a kubelet where others have theirs.

    Beside a lab that is there already, what came later need not stop its repair.
    """
    if wanted.distribution != "kubeadm" or wanted.is_of_another_lab(facts):
        return
    ours = wanted.is_ours(facts)
    paths = (*facts.all("foreign"), *(() if ours else facts.all("taken")))
    if paths:
        yield Finding(
            node,
            f"lab's containerd and kubelet collide with what is there: {', '.join(paths)}",
            f"if nobody needs it: remove it on {node}, with the package that brought it; or "
            "lab up --distribution k3s, which brings a containerd of its own that does not "
            "collide, where its release can be had",
            Level.WARNING if ours else Level.ERROR,
        )
