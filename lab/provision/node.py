"""pyinfra deploys: what every node needs before it can be part of a cluster.

They read only `host.data`, so that a plain pyinfra run can use them as well.
"""

from pathlib import Path
from typing import Any

from pyinfra.api.deploy import deploy
from pyinfra.context import host
from pyinfra.facts.files import File
from pyinfra.operations import files, server, systemd

TEMPLATES = Path(__file__).parent / "templates"
IMAGES = "/usr/share/lab/images"


def write(name: str, template: str, dest: str, *, mode: str = "644", **values: Any) -> None:
    """Render a template of ours to `dest` on the host; a missing value is an error."""
    files.template(
        name=name, src=str(TEMPLATES / template), dest=dest, user="root", mode=mode, **values
    )


@deploy("Prepare the node")
def prepare_node() -> None:
    """Configure network and containerd, start containerd, import the node's images.

    Data: node_name, pod_subnet, cluster_pod_subnet, peers (pod_subnet, address), pause_image,
    image_archive, image_stamp, cgroup_driver.
    """
    data = host.data
    write("Allow forwarding", "90-lab.conf.j2", "/etc/sysctl.d/90-lab.conf")
    write(
        "Write the routes to other nodes' pods",
        "lab-routes.service.j2",
        "/etc/systemd/system/lab-routes.service",
        peers=data.peers,
        cluster_pod_subnet=data.cluster_pod_subnet,
    )
    write(
        "Write the pod network",
        "10-lab.conflist.j2",
        "/etc/cni/net.d/10-lab.conflist",
        pod_subnet=data.pod_subnet,
    )
    write(
        "Write containerd's configuration",
        "containerd.toml.j2",
        "/etc/containerd/config.toml",
        pause_image=data.pause_image,
        cgroup_driver=data.cgroup_driver,
    )
    for unit in ("containerd", "kubelet"):
        path = f"/etc/systemd/system/{unit}.service"
        write(f"Write {unit}'s unit", f"{unit}.service.j2", path)
    write(
        "Write kube-proxy's unit",
        "kube-proxy.service.j2",
        "/etc/systemd/system/kube-proxy.service",
        node_name=data.node_name,
        pod_subnet=data.cluster_pod_subnet,
    )
    write("Write kubeadm-once", "kubeadm-once.sh.j2", "/usr/local/sbin/kubeadm-once", mode="755")
    server.shell(
        name="Load settings, routes and units",
        commands=[
            "sysctl -q -p /etc/sysctl.d/90-lab.conf",
            "systemctl daemon-reload",
            "systemctl enable --quiet kubelet kube-proxy",
            "systemctl enable --quiet --now lab-routes",
        ],
    )
    systemd.service(name="Start containerd", service="containerd", running=True, enabled=True)
    import_images(data.image_archive, data.image_stamp)


def import_images(archive: str, stamp: str) -> None:
    """Import an archive that lies on the node, unless one with this stamp was imported."""
    done = f"/var/lib/lab/images-{stamp}"
    if host.get_fact(File, path=done):
        return
    server.shell(
        name=f"Import the images of {archive}",
        commands=[
            f"ctr --namespace k8s.io images import --local {IMAGES}/{archive} > /dev/null",
            f"mkdir -p /var/lib/lab && touch {done}",
        ],
    )
