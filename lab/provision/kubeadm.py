"""pyinfra deploys: make a prepared node the server of a cluster, or an agent in it."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pyinfra.api.deploy import deploy
from pyinfra.context import host
from pyinfra.operations import server, systemd

TEMPLATES = Path(__file__).parent / "templates"

# What kubeadm's preflight finds on a node that shares the host's kernel, and why it is right
# to go on: the configuration of the kernel is not shown to containers, and swap is the
# host's affair. Everything else it finds is an error.
IGNORED = ("SystemVerification", "Swap", "Mem", "NumCPU")


INIT_DATA = (
    "node_name",
    "address",
    "token",
    "token_ttl",
    "cluster_name",
    "kubernetes_version",
    "service_subnet",
    "cluster_dns",
    "cgroup_driver",
    "single",
)
JOIN_DATA = ("node_name", "address", "server_address", "token", "ca_hash")


def render(template: str, keys: tuple[str, ...]) -> str:
    """Render one of kubeadm's configurations from the host's data."""
    values = {key: host.data.get(key) for key in keys}
    environment = Environment(  # noqa: S701 - YAML, not HTML
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template(template).render(ignored=IGNORED, **values)


@deploy("Make the server")
def init_server() -> None:
    """Run `kubeadm init` and start kube-proxy.

    Data: node_name, address, token (secret), token_ttl, cluster_name, kubernetes_version,
    service_subnet, cluster_dns, cgroup_driver, single.
    """
    config = render("kubeadm-init.yaml.j2", INIT_DATA)
    run_kubeadm("init", config)
    server.shell(
        name="Make kube-proxy's kubeconfig",
        commands=[
            "test -s /etc/kubernetes/kube-proxy.conf || { umask 077; kubectl --kubeconfig "
            "/etc/kubernetes/admin.conf -n kube-system get configmap kubeadm-config "
            "-o 'jsonpath={.data.ClusterConfiguration}' > /run/lab/cluster.yaml && "
            "kubeadm kubeconfig user --config /run/lab/cluster.yaml "
            "--client-name system:kube-proxy > /etc/kubernetes/kube-proxy.conf; }"
        ],
    )
    start_kube_proxy()


@deploy("Join the cluster")
def join_agent() -> None:
    """Run `kubeadm join` against the pinned CA and start kube-proxy.

    Data: node_name, address, server_address, token (secret), ca_hash, kube_proxy_config (secret).
    """
    config = render("kubeadm-join.yaml.j2", JOIN_DATA)
    run_kubeadm("join", config)
    server.shell(
        name="Write kube-proxy's kubeconfig",
        commands=["umask 077; cat > /etc/kubernetes/kube-proxy.conf"],
        _stdin=host.data.kube_proxy_config,
    )
    start_kube_proxy()


def run_kubeadm(verb: str, config: str) -> None:
    """The configuration holds the token, so it goes by standard input and never by argv."""
    server.shell(
        name=f"Run kubeadm {verb}",
        commands=[f"kubeadm-once {verb}"],
        _stdin=config,
        _timeout=300,
    )


def start_kube_proxy() -> None:
    systemd.service(name="Start kube-proxy", service="kube-proxy", running=True)
