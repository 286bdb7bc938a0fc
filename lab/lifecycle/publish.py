"""Make the lab's API reachable on the host's loopback, always at the same port."""

import json
from contextlib import suppress
from pathlib import Path

from lab.files import write_json
from lab.lifecycle.lab import Lab
from lab.machines import forwarder
from lab.machines.forwarder import Forward
from lab.machines.processes import ProcessId, is_alive

API_PORT = 6443


def is_published(lab: Lab) -> bool:
    return _running(lab) is not None


def publish(lab: Lab) -> None:
    """Start the forwarder unless it runs; keep the recorded port if it is still free."""
    if is_published(lab):
        return
    port = forwarder.free_port(lab.record.api_port or API_PORT)
    lab.journal.intend_once("forwarder", lab.record.lab_id)
    server = lab.record.nodes[0]
    process = forwarder.start(
        netns=lab.sandbox.namespace(),
        forwards=[Forward(port, server.address, API_PORT)],
        label=lab.record.lab_id,
        log=lab.directory / "forwarder.log",
        owner=lab.paths.caller,
    )
    write_json(_file(lab), process.to_dict(), owner=lab.paths.caller)
    if port != lab.record.api_port:
        had_own = lab.has_own_kubeconfig()
        lab.update(api_port=port)
        if had_own:
            lab.write_kubeconfig(lab.kubeconfig.read_text())


def withdraw(lab: Lab) -> None:
    for process in {*forwarder.find(lab.record.lab_id), *filter(None, [_running(lab)])}:
        forwarder.stop(process)
    _file(lab).unlink(missing_ok=True)


def _running(lab: Lab) -> ProcessId | None:
    with suppress(FileNotFoundError, ValueError, KeyError):
        process = ProcessId.from_dict(json.loads(_file(lab).read_text()))
        if is_alive(process):
            return process
    return None


def _file(lab: Lab) -> Path:
    return lab.directory / "forwarder.json"
