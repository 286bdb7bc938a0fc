"""pyinfra deploys: make a prepared node the server of a cluster, or an agent in it."""

from pyinfra.api.deploy import deploy
from pyinfra.context import host
from pyinfra.operations import server

from lab.provision.node import render
from lab.provision.steps import once

# What kubeadm's preflight finds, and why it is right to go on: a node of the sandbox is not shown
# the configuration of the kernel, cgroup v1 is known (machines of an inventory are warned of it,
# and asked for all else), and swap and size are their affair. Everything else is an error.
IGNORED = ("SystemVerification", "Swap", "Mem", "NumCPU")

PROGRAMS = ("kubeadm", "kubectl", "kubelet", "kube-proxy")

KUBE_PROXY_CONFIG = "/etc/kubernetes/kube-proxy.conf"

# `kubeadm kubeconfig user` reads the cluster's configuration, which kubeadm keeps in the
# cluster; the user system:kube-proxy is the one that Kubernetes' own binding names. What kubectl
# learns of the API must not stay in root's home.
MAKE_KUBE_PROXY_CONFIG = (
    f"test -s {KUBE_PROXY_CONFIG} || {{ umask 077; kubectl --cache-dir /run/lab/kubectl "
    "--kubeconfig /etc/kubernetes/admin.conf -n kube-system get configmap kubeadm-config "
    "-o 'jsonpath={.data.ClusterConfiguration}' > /run/lab/cluster.yaml && "
    "kubeadm kubeconfig user --config /run/lab/cluster.yaml "
    f"--client-name system:kube-proxy > {KUBE_PROXY_CONFIG}; }}"
)


@deploy("Make the server")
def init_server() -> None:
    """Run `kubeadm init` and start kube-proxy.

    Data: what `prepare_node` reads, token (secret), token_ttl, cluster_name,
    kubernetes_version, cluster_dns, single, elects; own: whether the host is not lab's;
    wait_s: seconds that kubeadm waits for the control plane.
    """
    run_kubeadm("init", render("kubeadm-init.yaml.j2", ignored=IGNORED))
    server.shell(
        name="Make kube-proxy's kubeconfig and start it",
        commands=[f"{{ {MAKE_KUBE_PROXY_CONFIG}; }} && systemctl start kube-proxy"],
    )


@deploy("Join the cluster as a server")
def join_server() -> None:
    """Give the node the cluster's keys, then run `kubeadm join` for a control plane.

    That is the manual way of kubernetes.io/docs/setup/production-environment/tools/kubeadm/
    high-availability: unlike `--upload-certs`, it leaves no copy of the keys in the cluster.

    Data: what `join_agent` reads, pki (secret): a tar of the keys in base64.
    """
    server.shell(
        name="Bring the cluster's keys",
        commands=["umask 077; mkdir -p /run/lab && base64 -d > /run/lab/pki.tar"],
        _stdin=host.data.pki,
    )
    join_agent()


@deploy("Join the cluster")
def join_agent() -> None:
    """Run `kubeadm join` against the pinned CA and start kube-proxy.

    Data: node_name, address, is_server, kept_free (whether a server is kept free of what is
    scheduled), server_address, token (secret), ca_hash, kube_proxy_config (secret), wait_s.
    """
    run_kubeadm("join", render("kubeadm-join.yaml.j2", ignored=IGNORED))
    server.shell(
        name="Write kube-proxy's kubeconfig and start it",
        commands=[f"umask 077; cat > {KUBE_PROXY_CONFIG} && systemctl start kube-proxy"],
        _stdin=host.data.kube_proxy_config,
    )


@deploy("Upgrade the node")
def upgrade_node() -> None:
    """Run the new kubeadm, then let the node's services run from the new programs.

    Data: programs (a directory on the node), images (an archive there), image_stamp,
    kubernetes_version, wait_s, first: whether it is the first server to be upgraded.
    """
    data = host.data
    once(
        "Import the new images",
        stamp=f"images-{data.image_stamp}",
        command=f"ctr --namespace k8s.io images import --local {data.images} > /dev/null",
    )
    verb = "apply --yes" if data.first else "node"
    log = "/var/log/kubeadm-upgrade.log"
    server.shell(
        name="Run kubeadm upgrade",
        commands=[
            # One that was begun by a caller who is gone may still run.
            f"mkdir -p /run/lab && cat > /run/lab/upgrade.yaml && "
            f"flock -w {data.wait_s + 40} /run/lab/kubeadm.lock {data.programs}/kubeadm upgrade "
            f"{verb} --config /run/lab/upgrade.yaml >> {log} 2>&1 || "
            f"{{ tail -n 20 {log} >&2; exit 1; }}"
        ],
        _stdin=render("kubeadm-upgrade.yaml.j2", ignored=IGNORED),
        _timeout=int(data.wait_s) + 60,
    )
    links = " && ".join(
        f"ln -sfn {data.programs}/{name} /usr/local/bin/.{name} && "
        f"mv -T /usr/local/bin/.{name} /usr/local/bin/{name}"
        for name in PROGRAMS
    )
    server.shell(
        name="Start kubelet and kube-proxy from the new programs",
        commands=[f"{links} && systemctl restart kubelet kube-proxy"],
    )


@deploy("Leave the cluster")
def leave() -> None:
    """Run `kubeadm reset`, which takes a server's member out of etcd."""
    server.shell(
        name="Run kubeadm reset",
        commands=["kubeadm reset --force > /var/log/kubeadm-reset.log 2>&1"],
        _timeout=120,
    )


@deploy("Remove kubeadm's node")
def uninstall() -> None:
    """Take off what the deploys here and in `node` put on, and what the node's programs made.

    Data: owner, pod_subnets (of the peers), cluster_pod_subnet, service_subnet.
    """
    server.shell(
        name="Remove the node and all it made",
        commands=["sh -s"],
        _stdin=render("kubeadm-uninstall.sh.j2"),
        _timeout=180,
    )


def run_kubeadm(verb: str, config: str) -> None:
    """The configuration holds the token, so it goes by standard input and never by argv."""
    server.shell(
        name=f"Run kubeadm {verb}",
        commands=[f"kubeadm-once {verb}"],
        _stdin=config,
        # It waits for the control plane and for more, and what was cut short before for itself.
        _timeout=int(host.data.wait_s) + 60,
    )
