"""lab up: make a lab, or bring one to where it should be."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli import _kind, _output
from lab.cli._kind import Image, On
from lab.cli._options import Distribution, Json, K3sDir, K3sMirror, Name, Timeout

if TYPE_CHECKING:
    from lab.lifecycle.choice import Choice
    from lab.lifecycle.inspection import Inventory


def up(
    name: Name = "lab",
    nodes: Annotated[
        int | None, typer.Option("--nodes", help="How many nodes; 6 for a new lab.")
    ] = None,
    servers: Annotated[
        int | None, typer.Option("--servers", help="How many of them are servers: 1, or 3 for HA.")
    ] = None,
    on: On = None,
    image: Image = None,
    distribution: Distribution = None,
    k3s_dir: K3sDir = None,
    k3s_mirror: K3sMirror = None,
    inventory: Annotated[
        Path | None,
        typer.Option(
            "--inventory",
            help="A pyinfra inventory: machines you have become the nodes, over SSH.",
            dir_okay=False,
        ),
    ] = None,
    accept_new_host_keys: Annotated[
        bool,
        typer.Option(
            "--accept-new-host-keys", help="Take keys of hosts that known_hosts does not have."
        ),
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over a k3s that lab did not put on these hosts.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be done and why; change nothing.")
    ] = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Make a lab of real nodes on this host, or bring one to where it should be.

    A second run changes nothing and says so; after an interruption it goes on.

    Examples:

        sudo lab up

        sudo lab up --name demo --nodes 3

        sudo lab up --servers 3

        lab up --plan

        lab up --inventory inventories/my_hosts.py

        lab up --on kind --nodes 2
    """
    if _kind.is_on_kind(on, name):
        _kind.refuse(
            servers=servers not in (None, 1),
            distribution=distribution not in (None, "kubeadm"),
            inventory=inventory,
            k3s_dir=k3s_dir,
            k3s_mirror=k3s_mirror,
            adopt=adopt,
            accept_new_host_keys=accept_new_host_keys,
        )
        _kind.up_on_kind(name, nodes=nodes, image=image, plan=plan, timeout=timeout, json=json)
        return
    if image:
        raise typer.BadParameter("--image is about --on kind")
    from lab.lifecycle.bounds import Bounds
    from lab.lifecycle.up import Wanted, plan_up, up
    from lab.paths import find_paths

    if inventory is None and (accept_new_host_keys or adopt):
        raise typer.BadParameter("--accept-new-host-keys and --adopt are about an --inventory")
    if inventory and (nodes is not None or servers is not None):
        raise typer.BadParameter("--inventory says which nodes and servers there are")
    progress = _output.make_progress()
    wanted = Wanted(
        nodes,
        servers,
        _read_inventory(inventory, adopt=adopt, accept_new=accept_new_host_keys, plan=plan)
        if inventory
        else None,
    )
    # Before it is asked what can be had: a value that cannot be meant is told first.
    wanted.make_nodes()
    choice = _choose(name, distribution, k3s_dir, k3s_mirror, adopt=adopt)
    if choice.note:
        _output.note(choice.note)
    if plan:
        found = plan_up(
            find_paths(),
            name,
            wanted=wanted,
            distribution=choice.distribution,
            progress=progress,
        )
        _kind.show_plan(name, found, json=json)
        return
    result = up(
        find_paths(),
        name,
        wanted=wanted,
        distribution=choice.distribution,
        progress=progress,
        bounds=Bounds.of(timeout),
    )
    if json:
        phases = [{"phase": title, "seconds": s} for title, s in progress.finished]
        _output.show_json({**_kind.to_json(result.record, result.done), "phases": phases})
        return
    record = result.record
    state = "is ready" if result.changed else "is up already; nothing was changed"
    _output.show(
        f"Lab {record.name} {state}: {record.node_count} nodes, {record.distribution} "
        f"{record.version}"
    )
    if result.changed:
        _show_next(name, record.nodes[-1].name)


def _read_inventory(file: Path, *, adopt: bool, accept_new: bool, plan: bool) -> "Inventory":
    from lab.lifecycle.inspection import Inventory
    from lab.machines.inventory_file import load
    from lab.machines.topology import POD_SUBNET, SERVICE_SUBNET
    from lab.paths import find_caller

    hosts = load(file, caller=find_caller(), pods=POD_SUBNET, services=SERVICE_SUBNET)
    return Inventory(hosts, adopt=adopt, accept_new=accept_new, looks_only=plan, tell=_output.note)


def _choose(
    name: str,
    asked: str | None,
    directory: Path | None,
    mirror_url: str | None,
    *,
    adopt: bool,
) -> "Choice":
    from lab.lifecycle.choice import choose_for, find_k3s
    from lab.paths import find_paths

    k3s = find_k3s(directory, mirror_url)
    in_ci = os.environ.get("CI", "").lower() == "true"
    return choose_for(find_paths(), name, asked, k3s, ci=in_ci, adopt=adopt)


def _show_next(name: str, node: str) -> None:
    option = "" if name == "lab" else f" --name {name}"
    _output.show(
        "\nTry next:\n"
        f"  lab status{option}\n"
        f"  lab kubectl{option} get pods -A -o wide\n"
        f'  kubectl --kubeconfig "$(lab kubeconfig{option})" get nodes\n'
        f"  lab ssh{option} {node}\n"
        f"  lab down{option}"
    )
