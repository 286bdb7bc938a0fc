"""Put on machines of an inventory what makes them nodes, and take it off again.

What is put on is written down first, with all that taking it off needs: the inventory's file, the
lab's record and the cache may be gone by then.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from lab.artifacts import uploads
from lab.artifacts.layout import place, split_name
from lab.artifacts.uploads import Upload
from lab.errors import HostUnfit, LabError
from lab.files import give_to, make_dir, write_atomic
from lab.journal import Change
from lab.lifecycle.comparison import Comparison, read_comparison
from lab.lifecycle.inspection import LOOK_BOUND_S
from lab.lifecycle.lab import Lab, accepted_keys
from lab.lifecycle.record import Record
from lab.machines import hosts as machines
from lab.machines.hosts import Answer, Ssh
from lab.machines.inventory import Host
from lab.machines.topology import Node
from lab.progress import Progress
from lab.provision.distribution import Distribution, Ground, choose
from lab.provision.phases import Parcel, claim_script

KIND = "host"
# Of a host that was removed while nobody could reach it: what was put on is there yet.
LEFT = "left"
REMOVE_BOUND_S = 300.0
OWNER = "cat /var/lib/lab/owner 2> /dev/null || true"
CGROUPS = "stat -f -c %T /sys/fs/cgroup"
# Some hundred megabytes, also to a host behind a slow line.
SEND_BOUND_S = 1800.0


def owner_of(lab_id: str, name: str) -> str:
    """Return the mark of a lab on a host."""
    return f"{lab_id} {name}"


def installed(record: Record) -> str:
    """Return in words what machines of an inventory get; nothing where lab made the nodes."""
    return f"{record.distribution} {record.version}" if record.hosts else ""


def make_ground(
    lab: Lab,
    distribution: Distribution,
    artifacts: Mapping[str, str],
    *,
    wait_s: float,
    progress: Progress,
) -> Ground:
    """Return what the hosts get of artifacts, paths by name, packed now where it was not."""
    owner = owner_of(lab.record.lab_id, lab.record.name)
    packed: dict[str, Upload] = {}
    with progress.task("Packing what the hosts get"):
        for name, (artifact, files) in distribution.host_uploads().items():
            split = split_name(Path(artifacts[artifact]).name)
            assert split, artifacts[artifact]
            kept = place(*split, paths=lab.paths)
            packed[name] = uploads.pack(kept, owner=lab.paths.caller, only=files)
    return Ground(owner, packed, wait_s)


def ready(lab: Lab) -> None:
    """Write down what is about to be put on, and whose host keys are known."""
    make_dir(lab.keys.directory, owner=lab.paths.caller, mode=0o700)
    hosts = lab.record.hosts.values()
    accepted = accepted_keys(lab.paths, lab.record.name)
    if accepted.exists():
        give_to(accepted, lab.paths.caller)
    known = "".join(machines.known_keys(host, lab.ssh()) for host in hosts)
    write_atomic(lab.keys.known_hosts, known, owner=lab.paths.caller)
    coming = [host for host in hosts if host.name not in lab.record.joined]
    _end_leaving(lab, {host.name for host in coming})
    for host in coming:
        lab.journal.intend_once(KIND, host.name, **undo_of(lab.record, host))


def _end_leaving(lab: Lab, coming: Collection[str]) -> None:
    """Take off what a removal had to leave on hosts that come back: they have joined nothing."""
    found = [change for change in lab.journal.open_changes() if change.what in coming]
    left = {change.what for change in found if change.kind == LEFT}
    again = [c for c in found if c.what in left and c.kind in (KIND, LEFT)]
    for failure in take_off(lab, again).values():
        raise failure
    for change in again:
        lab.journal.undone(change)


def undo_of(record: Record, host: Host) -> dict[str, Any]:
    """Return what taking all off a host needs, as JSON has it."""
    return {
        "host": host.to_dict(),
        "owner": owner_of(record.lab_id, record.name),
        "distribution": record.distribution,
    }


def send(lab: Lab, distribution: Distribution, nodes: Sequence[Node], progress: Progress) -> None:
    """Mark the hosts as the lab's, and send them what they have not; nothing is unpacked yet.

    Raises one error with every host on which that failed.
    """
    owner = owner_of(lab.record.lab_id, lab.record.name)
    hosts = {node.name: lab.record.hosts[node.number] for node in nodes}
    count = f"{len(nodes)} host{'s' * (len(nodes) > 1)}"
    with progress.task(f"Sending programs and images to {count}") as task:
        claimed = machines.run_on_all(
            hosts.values(), claim_script(owner), ssh=lab.ssh(), timeout_s=LOOK_BOUND_S
        )
        machines.require_all(claimed)
        sent: dict[str, machines.Outcome] = {}
        with ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
            work = {
                pool.submit(_send, hosts[node.name], distribution.parcels(node), lab.ssh()): node
                for node in nodes
            }
            for number, future in enumerate(as_completed(work), start=1):
                sent[work[future].name] = future.result()
                task.advance(number, len(nodes), work[future].name)
        machines.require_all(sent)


def _send(host: Host, parcels: Sequence[Parcel], ssh: Ssh) -> machines.Outcome:
    """Send what is missing, one after the other; stop at the first that fails."""
    asked = machines.run(host, _missing_script(parcels), ssh=ssh, timeout_s=LOOK_BOUND_S)
    if not isinstance(asked, Answer):
        return asked
    for number in asked.out.split():
        parcel = parcels[int(number)]
        source = Path(parcel.source)
        sent = machines.send(host, source, parcel.staged, ssh=ssh, timeout_s=SEND_BOUND_S)
        if not isinstance(sent, Answer):
            return sent
    return asked


def _missing_script(parcels: Sequence[Parcel]) -> str:
    """Return a script that prints the numbers of those that are neither in use nor sent."""
    lines = (
        f"{{ {each.unless}; }} 2> /dev/null || "
        f"echo '{each.sha256}  {each.staged}' | sha256sum --check --status 2> /dev/null || "
        f"echo {number}"
        for number, each in enumerate(parcels)
    )
    return "\n".join(lines)


def require_reachable(lab: Lab) -> None:
    """Raise one error with every host that cannot be used now, and why.

    One that is being removed may be gone for good. A node without the lab's mark is a machine
    that was made anew: it would be waited for in vain.
    """
    hosts = [lab.record.hosts[node.number] for node in lab.record.staying]
    answers = machines.require_all(
        machines.run_on_all(hosts, OWNER, ssh=lab.ssh(), timeout_s=LOOK_BOUND_S)
    )
    owner = owner_of(lab.record.lab_id, lab.record.name)
    anew = [
        node
        for node in lab.record.staying
        if node.name in lab.record.joined and answers[node.name].out.strip() != owner
    ]
    if anew:
        raise _made_anew(lab, anew)


def _made_anew(lab: Lab, nodes: Sequence[Node]) -> HostUnfit:
    names, name = ", ".join(node.name for node in nodes), lab.record.name
    again = f"lab up --name {name} --inventory FILE"
    removal = "; ".join(f"lab node remove --name {name} --force {node.name}" for node in nodes)
    # What the cluster knows is on its servers, and gone with the last of them.
    way = removal if set(lab.record.server_nodes) - set(nodes) else f"lab down --name {name}"
    return HostUnfit(
        f"{names}: part of lab {name!r}, and nothing there is of it: the machine was made anew",
        hint=f"{way}; then {again}",
    )


def are_unified(lab: Lab, nodes: Sequence[Node]) -> bool:
    """Whether all these hosts have cgroup v2; raises one error with every host that cannot say."""
    hosts = [lab.record.hosts[node.number] for node in nodes]
    asked = machines.run_on_all(hosts, CGROUPS, ssh=lab.ssh(), timeout_s=LOOK_BOUND_S)
    return all(each.out.strip() == "cgroup2fs" for each in machines.require_all(asked).values())


def take_off(
    lab: Lab, changes: Iterable[Change], compared: Callable[[Comparison], object] = lambda _: None
) -> dict[str, LabError]:
    """Take off side by side what was put on hosts; return by name why it is not off somewhere.

    How a host is logged in to may have changed since, so the record counts as long as it has it.
    `compared` is told of each host that was given back how it is beside how it was before.
    """
    chosen = {change.what: change for change in changes if change.kind == KIND}
    known = {host.name: host for host in lab.record.hosts.values()}
    hosts = [
        known.get(name) or Host.from_dict(change.undo["host"]) for name, change in chosen.items()
    ]
    outcomes: dict[str, machines.Outcome] = {}
    for script, group in _by_script(hosts, chosen).items():
        outcomes |= machines.run_on_all(group, script, ssh=lab.ssh(), timeout_s=REMOVE_BOUND_S)
    for name, each in outcomes.items():
        if isinstance(each, Answer):
            compared(read_comparison(name, each.out))
    return {
        name: machines.error(each)
        for name, each in outcomes.items()
        if not isinstance(each, Answer)
    }


def _by_script(hosts: Sequence[Host], changes: Mapping[str, Change]) -> dict[str, list[Host]]:
    """Return the script that takes all off → the hosts it is for; in most labs there is one."""
    found: dict[str, list[Host]] = {}
    for host in hosts:
        undo = changes[host.name].undo
        script = choose(undo["distribution"]).uninstall_script(owner=undo["owner"])
        found.setdefault(script, []).append(host)
    return found
