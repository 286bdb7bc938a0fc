"""pyinfra deploys: what every node needs before it can be part of a cluster.

They read only `host.data`, so that a plain pyinfra run can use them as well.
"""

from typing import Any

from pyinfra.api.deploy import deploy
from pyinfra.context import host

from lab.provision.rendering import render_text
from lab.provision.steps import NodeFile, once, unpack

IMAGES = "/usr/share/lab/images"
UNITS = "/etc/systemd/system"

API_HOSTS = "/etc/lab/api-hosts"
ROUTES = f"{UNITS}/lab-routes.service"
FILES = {
    API_HOSTS: "api-hosts.j2",
    "/etc/sysctl.d/90-lab.conf": "90-lab.conf.j2",
    "/etc/cni/net.d/10-lab.conflist": "10-lab.conflist.j2",
    "/etc/containerd/config.toml": "containerd.toml.j2",
    ROUTES: "lab-routes.service.j2",
    f"{UNITS}/containerd.service": "containerd.service.j2",
    f"{UNITS}/kubelet.service": "kubelet.service.j2",
    f"{UNITS}/kube-proxy.service": "kube-proxy.service.j2",
}
PROGRAMS = {
    "/usr/local/sbin/kubeadm-once": "kubeadm-once.sh.j2",
    "/usr/local/sbin/wait-for-api": "wait-for-api.sh.j2",
}
ENABLED = ("lab-routes", "containerd", "kubelet", "kube-proxy")

# In place: a container's /etc/hosts may be a mount, which cannot be renamed over.
KNOW_SERVERS = (
    f"{{ grep -v ' lab-api$' /etc/hosts; cat {API_HOSTS}; }} > /run/lab-hosts && "
    "cat /run/lab-hosts > /etc/hosts && rm /run/lab-hosts"
)
START = (
    f"{KNOW_SERVERS} && sysctl -q -p /etc/sysctl.d/90-lab.conf && systemctl daemon-reload && "
    "systemctl start lab-routes && systemctl restart containerd"
)


@deploy("Prepare the node")
def prepare_node() -> None:
    """Configure network and containerd, start containerd, import the node's images.

    Data: node_name, address, is_server, api_name, servers, pod_subnet, cluster_pod_subnet,
    service_subnet, peers (pod_subnet, address), pause_image, image_archive, image_stamp,
    cgroup_driver.
    """
    unpack("Write the node's files and start containerd", node_files(), then=START)
    once(
        "Import the images",
        stamp=f"images-{host.data.image_stamp}",
        # --local: by the transfer service it takes twice the CPU time.
        command="ctr --namespace k8s.io images import --local "
        f"{IMAGES}/{host.data.image_archive} > /dev/null",
    )


@deploy("Know the servers")
def know_servers() -> None:
    """Tell the node by which addresses the API is found. Data: api_name, servers.

    With `peers` in the data also, which pods are behind which of them, as `prepare_node` has it.
    """
    paths = [API_HOSTS, *([ROUTES] if host.data.get("peers") is not None else [])]
    files = {path: NodeFile(render(FILES[path])) for path in paths}
    routes = " && systemctl daemon-reload && systemctl restart lab-routes"
    then = KNOW_SERVERS + (routes if ROUTES in files else "")
    unpack("Write where the API is", files, then=then, kind="servers")


def node_files() -> dict[str, NodeFile]:
    """Return path → file for the node whose data is in `host`."""
    files = {path: NodeFile(render(template)) for path, template in FILES.items()}
    files |= {path: NodeFile(render(template), 0o755) for path, template in PROGRAMS.items()}
    for unit in ENABLED:
        wants = f"{UNITS}/multi-user.target.wants/{unit}.service"
        files[wants] = NodeFile(target=f"../{unit}.service")
    return files


def render(template: str, **values: Any) -> str:
    """Render a template with the host's data; one that it misses is an error."""
    return render_text(template, {**host.data.dict(), **values})
