"""lab kubeconfig, kubectl, ssh, logs: ways into a lab."""

import os
from typing import Annotated

import typer

from lab.cli import _output
from lab.cli._options import Name, NodeName

PASS_ON = {
    "ignore_unknown_options": True,
    "allow_extra_args": True,
    "allow_interspersed_args": False,
}


def kubeconfig(name: Name = "lab") -> None:
    """Print the path of a lab's kubeconfig; KUBECONFIG and ~/.kube/config stay as they are.

    Examples:

        kubectl --kubeconfig "$(lab kubeconfig)" get nodes

        export KUBECONFIG="$(lab kubeconfig)"
    """
    from lab.lifecycle.access import kubeconfig
    from lab.paths import find_paths

    _output.show(str(kubeconfig(find_paths(), name)))


def kubectl(context: typer.Context, name: Name = "lab") -> None:
    """Run the lab's own kubectl on the lab's cluster; options for it come after --name.

    Examples:

        lab kubectl get pods -A

        lab kubectl --name demo get nodes
    """
    from lab.lifecycle.access import kubectl_command
    from lab.paths import find_paths

    argv, environment = kubectl_command(find_paths(), name, context.args)
    # k3s acts by the name that it is called by, and is called by its own here.
    os.execve(argv[0], argv, {**os.environ, **environment})  # noqa: S606


def ssh(context: typer.Context, node: NodeName, name: Name = "lab") -> None:
    """Log in to a node as root, or run a command there.

    Examples:

        sudo lab ssh n3

        sudo lab ssh n1 ctr -n k8s.io containers list
    """
    from lab.lifecycle.access import ssh_command
    from lab.paths import find_paths

    argv = ssh_command(find_paths(), name, node, context.args)
    os.execvp(argv[0], argv)  # noqa: S606


def logs(
    node: NodeName,
    name: Name = "lab",
    unit: Annotated[
        str | None, typer.Option("--unit", "-u", help="Only this unit, such as kubelet.")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    console: Annotated[
        bool, typer.Option("--console", help="What the node printed while it booted.")
    ] = False,
) -> None:
    """Show a node's journal, also of a node that is powered off.

    Examples:

        sudo lab logs n3 --unit kubelet

        sudo lab logs n3 --console
    """
    from lab.lifecycle.access import logs_command
    from lab.paths import find_paths

    argv = logs_command(
        find_paths(), name, node, unit=unit, lines=lines, follow=follow, console=console
    )
    os.execvp(argv[0], argv)  # noqa: S606
