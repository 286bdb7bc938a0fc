"""Make doors of a lab reachable on the host's loopback, each always at the same port."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.files import write_json
from lab.lifecycle.lab import Lab
from lab.machines import forwarder
from lab.machines.forwarder import Forward
from lab.machines.processes import ProcessId, is_alive
from lab.machines.topology import API_PORT


@dataclass(frozen=True, slots=True)
class Door:
    """A port of the servers; `suffix` tells its forwarder from those of other doors."""

    suffix: str
    port: int
    preferred: int

    def label(self, lab_id: str) -> str:
        return f"{lab_id}{self.suffix}"


API = Door("", API_PORT, API_PORT)
# Every node leads to the service by this port; servers do, of which no fault touches the home.
SERVICE = Door("-service", 30080, 8080)
DOORS = (API, SERVICE)


def is_published(lab: Lab, door: Door = API) -> bool:
    """Whether the door is open and leads where it should.

    The API of machines of an inventory is reached where it is, without a door. Doors of kind are
    Docker's, and open as long as the container runs that they lead to.
    """
    if lab.record.kind:
        if door is SERVICE and not lab.record.service_port:
            return False
        first = lab.record.nodes[0]
        return first.name in lab.machines.running([first])
    if lab.record.hosts:
        return door is API
    return _running(lab, door) is not None and _recorded(lab, door).get("hosts") == list(
        _leads_to(lab)
    )


def is_all_published(lab: Lab) -> bool:
    """Whether every door that this lab has is open."""
    return is_published(lab) and (not lab.record.service_port or is_published(lab, SERVICE))


def publish(lab: Lab) -> None:
    """Open the API's door, and the service's if the lab has one."""
    if lab.record.hosts or lab.record.kind:
        return
    _publish_api(lab)
    if lab.record.service_port:
        publish_service(lab)


def publish_service(lab: Lab) -> None:
    """Open the service's door unless it is open; the port is in the record then."""
    if lab.record.kind:
        lab.update(service_port=lab.record.kind.service_port)
        return
    if not is_published(lab, SERVICE):
        lab.update(service_port=_open(lab, SERVICE, lab.record.service_port))


def withdraw(lab: Lab) -> None:
    for door in DOORS:
        _close(lab, door)


def _close(lab: Lab, door: Door) -> None:
    found = forwarder.find(door.label(lab.record.lab_id))
    for process in {*found, *filter(None, [_running(lab, door)])}:
        forwarder.stop(process)
    _file(lab, door).unlink(missing_ok=True)


def _publish_api(lab: Lab) -> None:
    if is_published(lab):
        return
    port = _open(lab, API, lab.record.api_port)
    if port != lab.record.api_port:
        had_own = lab.has_own_kubeconfig()
        lab.update(api_port=port)
        if had_own:
            lab.write_kubeconfig(lab.kubeconfig.read_text())


def _open(lab: Lab, door: Door, recorded: int) -> int:
    """Start the door's forwarder at its recorded port if that is still free; return the port."""
    _close(lab, door)
    port = forwarder.free_port(recorded or door.preferred)
    lab.journal.intend_once("forwarder", lab.record.lab_id)
    process = forwarder.start(
        netns=lab.sandbox.namespace(),
        forwards=[Forward(port, _leads_to(lab), door.port)],
        label=door.label(lab.record.lab_id),
        log=lab.directory / f"forwarder{door.suffix}.log",
        owner=lab.paths.caller,
    )
    leads = {"hosts": list(_leads_to(lab))}
    write_json(_file(lab, door), process.to_dict() | leads, owner=lab.paths.caller)
    return port


def _leads_to(lab: Lab) -> tuple[str, ...]:
    """Return the addresses behind a door: the home of the observer, then the other servers.

    One that does not take a connection is asked last from then on (`lab.machines.relay`), so a
    door leads to a server that runs.
    """
    record = lab.record
    ordered = sorted(record.server_nodes, key=lambda node: node != record.home)
    return tuple(node.address for node in ordered)


def _running(lab: Lab, door: Door) -> ProcessId | None:
    with suppress(ValueError, KeyError):
        process = ProcessId.from_dict(_recorded(lab, door))
        if is_alive(process):
            return process
    return None


def _recorded(lab: Lab, door: Door) -> dict[str, Any]:
    """Return what was written when the door was opened; empty when there is none to read."""
    with suppress(FileNotFoundError, ValueError):
        found = json.loads(_file(lab, door).read_text())
        return found if isinstance(found, dict) else {}
    return {}


def _file(lab: Lab, door: Door) -> Path:
    return lab.directory / f"forwarder{door.suffix}.json"
