"""pyinfra deploys that install k3s on hosts, for lab and for a plain pyinfra run alike.

    pyinfra inventories/k3s_hosts.py lab.provision.k3s.server --limit servers
    pyinfra inventories/k3s_hosts.py lab.provision.k3s.agent --limit agents
    pyinfra inventories/k3s_hosts.py lab.provision.k3s.uninstall

All they read is `host.data`. Every step looks first: the second run changes nothing and restarts
nothing. The service is started without waiting for systemd, which would wait for ever for a
node that cannot join; a script with a deadline then says what happened.

Data: node_name, address, version, program (path on the controller, or empty where the node has
it), program_sha256, images (path on the controller), images_name, images_sha256,
images_on_node (or the directory in which the node has them), images_beside (more archives, each
with name, sha256, path on the controller, on_node; may be left out), etcd, server_address (empty
for the first server), ca_hash (of the cluster to join), san, labels, cluster (keywords of
lab.provision.k3s_config.Cluster), tokens (server_token and agent_token; agents need the second
only), adopt, wait_s.
"""

import hashlib
import shlex
from collections.abc import Iterable
from typing import Any

from pyinfra.api.deploy import deploy
from pyinfra.api.facts import FactBase
from pyinfra.context import host
from pyinfra.operations import server as shell
from typing_extensions import override

from lab.machines import sysctls
from lab.provision import k3s_config
from lab.provision.k3s_config import AGENT_UNIT, DATA, SERVER_UNIT, Cluster, Place
from lab.provision.k3s_release import bring_images, bring_program
from lab.provision.node import UNITS, render
from lab.provision.steps import NodeFile, Stamps, once, unpack

ETCD = f"{DATA}/server/db/etcd"
WAIT_S = 180

# What the kubelet sets or demands (pkg/kubelet/cm; docs.k3s.io/security/hardening-guide).
SYSCTLS = {
    "net.ipv4.ip_forward": 1,
    "net.bridge.bridge-nf-call-iptables": 1,
    "net.bridge.bridge-nf-call-ip6tables": 1,
    "vm.overcommit_memory": 1,
    "vm.panic_on_oom": 0,
    "kernel.panic": 10,
    "kernel.panic_on_oops": 1,
}
INOTIFY = ("fs.inotify.max_user_instances", "fs.inotify.max_user_watches")
# Raised where they are lower and can be: each pod's watches count against its host's limits.
# The values of lab.machines.sysctls: a sandbox node can write its host's, and finds them so.
LIMITS = {name: sysctls.RAISED[name] for name in INOTIFY}
# As install.sh does: only where no other program has the name.
NAMES = (
    "for name in kubectl crictl ctr; do command -v $name > /dev/null || "
    "ln -s k3s /usr/local/bin/$name; done"
)
MODULES = "overlay\nbr_netfilter\n"


class Down(FactBase[bool]):
    """Whether a unit does not run and is not about to: one that starts is left to do so."""

    @override
    def command(self, unit: str) -> str:
        return f"systemctl is-active {unit} || true"

    @override
    def process(self, output: Iterable[str]) -> bool:
        return any(line.strip() in ("inactive", "failed", "unknown") for line in output)

    @staticmethod
    @override
    def default() -> bool:
        return False


@deploy("Prepare the node for k3s")
def prepare() -> None:
    """Refuse a foreign k3s, then bring program, images and kernel settings."""
    once(
        "Look for a k3s of somebody else",
        stamp="k3s-ours",
        command=f"({render('k3s-foreign.sh.j2')})",
    )
    bring_program()
    bring_images()
    once("Let ctr, crictl and kubectl mean those of k3s", stamp="k3s-names", command=NAMES)
    lines = "".join(f"{key} = {value}\n" for key, value in (SYSCTLS | LIMITS).items())
    common = {
        "/etc/sysctl.d/90-lab-k3s.conf": NodeFile(lines),
        "/etc/modules-load.d/lab-k3s.conf": NodeFile(MODULES),
        "/usr/local/sbin/wait-for-k3s": NodeFile(render("wait-for-k3s.sh.j2"), 0o755),
    }
    unpack(
        "Write kernel settings", common, then=f"({render('k3s-kernel.sh.j2')})", kind="k3s-kernel"
    )


@deploy("Make a k3s server")
def server() -> None:
    """Prepare the node, configure it as a server, start it and wait until it works."""
    prepare()
    _configure(is_server=True)


@deploy("Make a k3s agent")
def agent() -> None:
    """Prepare the node, see that the cluster is the one meant, and let it join."""
    prepare()
    _configure(is_server=False)


@deploy("Upgrade k3s")
def upgrade() -> None:
    """Run another program with the configuration that is there, and wait until it works.

    Servers one at a time and before agents (docs.k3s.io/upgrades/manual). Before the first of
    them, the cluster's data is saved: no older program can read it again afterwards.

    Data: node_name, is_server, first, version, program (as for `server`), program_on_node (or
    where the node has it), program_sha256, images, images_on_node, images_name, images_sha256,
    images_beside, wait_s.
    """
    data = host.data
    unit = SERVER_UNIT if data.is_server else AGENT_UNIT
    stamps = host.get_fact(Stamps)
    if data.first:
        once(
            "Save the cluster's data",
            stamp=f"k3s-saved-{data.program_sha256[:12]}",
            kind="k3s-saved",
            command=f"({render('k3s-save.sh.j2', version=k3s_config.in_a_name(data.version))})",
        )
    bring_images()
    bring_program(data.program_on_node)
    written = [stamp for stamp in stamps if stamp.startswith("k3s-files-")]
    stamp = _runs(written[0].removeprefix("k3s-files-") if written else "")
    role = "server" if data.is_server else "agent"
    name, seconds = shlex.quote(data.node_name), int(data.wait_s or WAIT_S)
    once(
        "Start the new k3s and wait until it works",
        stamp=stamp,
        kind="k3s-runs",
        again=stamp in stamps and host.get_fact(Down, unit=unit),
        command=f"{_start(unit)} && etcd=$([ ! -d {ETCD} ] || echo etcd) && "
        f'SINCE="$since" wait-for-k3s {role} {name} {seconds} $etcd',
    )


@deploy("Remove k3s")
def uninstall() -> None:
    """Take off what `server` or `agent` put on, and what k3s made. Data: program_sha256."""
    shell.shell(
        name="Remove k3s and all it made",
        commands=["umask 077; f=$(mktemp); cat > $f; sh $f; s=$?; rm -f $f; exit $s"],
        _stdin=render("k3s-uninstall.sh.j2"),
        _timeout=180,
    )


@deploy("Know the servers")
def know_servers() -> None:
    """See that the node is told to join a server that there is. Data: servers (addresses).

    k3s reads it at its next start only, so nothing is restarted. An agent needs it then: what it
    knew of servers is forgotten before it starts anew (`_start`). A server that has etcd's data
    does not (docs.k3s.io/datastore/ha-embedded), unless it comes to lose them.
    """
    shell.shell(
        name="Write which server k3s joins",
        commands=[f"({render('k3s-know.sh.j2', config=k3s_config.CONFIG)})"],
    )


@deploy("Stop k3s")
def leave() -> None:
    """Stop the service, so that the node's removal from the cluster is final."""
    shell.shell(
        name="Stop k3s", commands=["systemctl disable --now k3s k3s-agent 2>/dev/null; true"]
    )


def _configure(*, is_server: bool) -> None:
    unit = SERVER_UNIT if is_server else AGENT_UNIT
    place = _place(is_server=is_server)
    k3s_config.check_pinned(place, host.data.ca_hash)
    written = _files(place, unit)
    digest = unpack(
        "Write configuration, tokens and unit",
        written,
        then=f"chmod 0700 /etc/rancher/k3s && systemctl daemon-reload && "
        f"systemctl enable --quiet {unit}",
        kind="k3s-files",
    )
    stamp = _runs(digest)
    once(
        "Start k3s and wait until it works",
        stamp=stamp,
        kind="k3s-runs",
        again=stamp in host.get_fact(Stamps) and host.get_fact(Down, unit=unit),
        command=f"({_join_check()}) && {_start(unit)} && {_wait(is_server=is_server)}",
    )


def _runs(files_digest: str) -> str:
    """Return the stamp of a service that runs this program with these files."""
    desired = f"{files_digest} {host.data.program_sha256}"
    return f"k3s-runs-{hashlib.sha256(desired.encode()).hexdigest()[:12]}"


def _place(*, is_server: bool) -> Place:
    data = host.data
    return Place(
        name=data.node_name,
        address=data.address,
        is_server=is_server,
        joins=data.server_address,
        etcd=data.etcd,
        san=tuple(data.san),
        labels=tuple(data.labels),
    )


def _files(place: Place, unit: str) -> dict[str, NodeFile]:
    config = k3s_config.render_config(Cluster(**_tuples(host.data.cluster)), place)
    secret = {k3s_config.CONFIG: config, **k3s_config.token_files(place, host.data.tokens)}
    return {
        **{path: NodeFile(text, 0o600) for path, text in secret.items()},
        f"{UNITS}/{unit}.service": NodeFile(k3s_config.render_unit(is_server=place.is_server)),
    }


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def _join_check() -> str:
    return render("k3s-join-check.sh.j2") if host.data.server_address else "true"


def _start(unit: str) -> str:
    """Stop what runs, then start anew without waiting for systemd.

    Not `restart --no-block`: its job is only queued, and until it is taken the old process
    still counts as active and may still say why it could not join. An agent prefers the servers
    it once knew to the one it is told (k3s' load balancer), so it has to forget them, and while
    it does not run. A unit that is stopped between two of its restarts keeps their number
    (systemd, service_stop), unless that is reset.
    """
    cache = f"{DATA}/agent/etc/k3s-agent-load-balancer.json"
    return (
        f"systemctl stop {unit} && rm -f {cache} && "
        f"{{ systemctl reset-failed {unit} 2> /dev/null || true; }} && "
        f"since=$(date '+%F %T.%6N') && systemctl start --no-block {unit}"
    )


def _wait(*, is_server: bool) -> str:
    data = host.data
    role = "server" if is_server else "agent"
    etcd = " etcd" if is_server and data.etcd else ""
    name, seconds = shlex.quote(data.node_name), int(data.wait_s or WAIT_S)
    wait = f'SINCE="$since" wait-for-k3s {role} {name} {seconds}{etcd}'
    # A server that failed to join would try on behind our back, and be etcd's one learner.
    if is_server and data.server_address:
        return f"{{ {wait} || {{ systemctl stop --no-block {SERVER_UNIT}; exit 1; }}; }}"
    return wait
