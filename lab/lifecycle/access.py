"""Ways into a lab: its kubeconfig, kubectl, a shell on a node, a node's journal."""

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from lab.errors import ArtifactCorrupt, ClusterError, InvalidValue, MachineError, ToolMissing
from lab.lifecycle.lab import Lab, is_of_hosts, require_power, require_root
from lab.machines.topology import Node, find_node
from lab.paths import Paths

# The artifact, the program in it, and what makes it kubectl.
# Where the one of a node image that lab did not build is put, beside its lab.
OF_IMAGE = "kubectl"
KUBECTL = {"kubeadm": ("kubernetes", "kubectl"), "k3s": ("k3s", "k3s", "kubectl")}


def kubeconfig(paths: Paths, name: str) -> Path:
    lab = Lab.load(paths, name)
    if not lab.kubeconfig.exists():
        raise ClusterError(f"lab {name!r} has no cluster yet", hint=f"lab up --name {name}")
    return lab.kubeconfig


def kubectl_command(
    paths: Paths, name: str, arguments: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """Return argv and environment for kubectl; the cluster has been proved to be the lab's."""
    lab = Lab.load(paths, name)
    lab.connect()
    command, environment = kubectl_program(lab)
    return [*command, *arguments], environment


def kubectl_program(lab: Lab) -> tuple[list[str], dict[str, str]]:
    """Return the lab's own kubectl, and the environment in which it finds only this lab.

    What it learns of the API is kept with the lab: the user's ~/.kube is never touched.
    """
    kubectl = KUBECTL[lab.record.distribution]
    if lab.record.kind and lab.record.kind.image:
        program = lab.directory / OF_IMAGE
    else:
        program = Path(lab.record.artifacts[kubectl[0]]) / "tree/usr/local/bin" / kubectl[1]
    name = lab.record.name
    if not program.exists():
        raise ArtifactCorrupt(
            f"{program}, which lab {name!r} was made with, is gone",
            hint=f"lab down --name {name}; lab up --name {name}",
        )
    cache = f"--cache-dir={lab.directory / 'kubectl-cache'}"
    return [str(program), *kubectl[2:], cache], {"KUBECONFIG": str(lab.kubeconfig)}


def ssh_command(
    paths: Paths, name: str, node_name: str, arguments: Sequence[str] = ()
) -> list[str]:
    """Return the ssh command that logs in to a node as root, or runs `arguments` there."""
    if not is_of_hosts(paths, name):
        require_power(paths, name, "ssh")
    lab = Lab.load(paths, name)
    return lab.machines.shell(find_node(lab.record.nodes, node_name), arguments)


def run_on_node(lab: Lab, node: Node, script: str, *, timeout_s: float) -> str:
    """Run shell commands on a node as root; return what they printed.

    Raises CommandFailed with the last lines of its output, NodeUnreachable without power.
    """
    return lab.machines.run(node, script, timeout_s=timeout_s)


def logs_command(
    paths: Paths,
    name: str,
    node_name: str,
    *,
    unit: str | None,
    lines: int,
    follow: bool,
    console: bool,
) -> list[str]:
    """Return the command that shows a node's journal, read from its disk."""
    lab = Lab.load(paths, name)
    node = find_node(lab.record.nodes, node_name)
    chosen = [f"--unit={unit}"] if unit else []
    flags = ["--no-pager", f"--lines={lines}", *chosen, *(["--follow"] if follow else [])]
    if lab.record.kind and console:
        return ["docker", "logs", f"--tail={lines}", lab.record.kind.container(node)]
    if lab.record.hosts or lab.record.kind:
        _refuse_console(node, console=console)
        return lab.machines.shell(node, ["journalctl", *map(shlex.quote, flags)])
    require_root("logs", why="reads what only root may")
    if console:
        more = ["--follow"] if follow else []
        shown = _written(lab.sandbox.disk(node).console, lab, node)
        return ["tail", f"--lines={lines}", *more, str(shown)]
    if lab.sandbox.is_running(node):
        return [*ssh_command(paths, name, node_name), "journalctl", *flags]
    return ["journalctl", f"--directory={_journal(lab, node)}", *flags]


def _refuse_console(node: Node, *, console: bool) -> None:
    if console:
        raise InvalidValue(
            f"{node.name} is a machine of an inventory: lab does not see its console",
            hint=f"lab logs {node.name}",
        )


def _journal(lab: Lab, node: Node) -> Path:
    """Return the journal on the disk of a node that is off; reading it needs the host's tool."""
    if shutil.which("journalctl") is None:
        raise ToolMissing(
            f"{node.name} is powered off and this host has no journalctl to read its journal",
            hint="lab doctor --fix, or lab logs --console",
        )
    return _written(lab.sandbox.disk(node).upper / "var/log/journal", lab, node)


def _written(path: Path, lab: Lab, node: Node) -> Path:
    """Return `path`, which a node writes as soon as it boots."""
    if not path.exists():
        raise MachineError(
            f"{node.name} has not booted yet: there is no {path}",
            hint=f"lab up --name {lab.record.name}",
        )
    return path
