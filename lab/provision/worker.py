"""The provisioning child: runs one pyinfra phase for each line of JSON on its standard input.

It is started inside the lab's network namespace and talks on its standard
output: a line an operation and host, then one that says how the phase ended.
pyinfra runs on gevent, whose patching would change every socket and thread of a
process, and keeps one global state: hence a process of its own, patched before
anything else is loaded, and a new State for each phase. Requests hold secrets; nothing
of them is ever in argv, in the environment or in the log on standard error.
"""

import ctypes
import signal

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Have the kernel end this process with its parent, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    # First of all: loading pyinfra takes seconds on a busy host.
    die_with_parent()

from gevent import monkey  # noqa: E402, TID251 - this is the provisioning child

monkey.patch_all()

import json  # noqa: E402 - everything else must be imported after patching
import logging  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from typing import Any  # noqa: E402

from pyinfra.api.config import Config  # noqa: E402
from pyinfra.api.connect import connect_all  # noqa: E402
from pyinfra.api.deploy import add_deploy  # noqa: E402
from pyinfra.api.exceptions import PyinfraError  # noqa: E402
from pyinfra.api.facts import get_facts  # noqa: E402
from pyinfra.api.inventory import Inventory  # noqa: E402
from pyinfra.api.operations import run_ops  # noqa: E402
from pyinfra.api.state import BaseStateCallback, State  # noqa: E402
from typing_extensions import override  # noqa: E402

from lab.provision import hosts, k3s, kubeadm, node  # noqa: E402
from lab.provision.steps import Stamps  # noqa: E402

DEPLOYS = {
    "prepare_node": node.prepare_node,
    "know_servers": node.know_servers,
    "init_server": kubeadm.init_server,
    "join_server": kubeadm.join_server,
    "join_agent": kubeadm.join_agent,
    "upgrade_node": kubeadm.upgrade_node,
    "leave": kubeadm.leave,
    "uninstall": kubeadm.uninstall,
    "claim": hosts.claim,
    "bring": hosts.bring,
    "release": hosts.release,
    "k3s_prepare": k3s.prepare,
    "k3s_server": k3s.server,
    "k3s_agent": k3s.agent,
    "k3s_know": k3s.know_servers,
    "k3s_leave": k3s.leave,
    "k3s_upgrade": k3s.upgrade,
    "k3s_uninstall": k3s.uninstall,
}


class Reporter(BaseStateCallback):
    """Turn pyinfra's callbacks into lines for the parent."""

    @staticmethod
    @override
    def host_connect_error(state: Any, host: Any, error: Any) -> None:
        emit(event="failed", host=host.name, name="connect by SSH", output=str(error))

    @staticmethod
    @override
    def operation_host_success(state: Any, host: Any, op_hash: str, retry_count: int = 0) -> None:
        emit(event="operation", host=host.name, name=_name(state, op_hash))


def main() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    for line in sys.stdin:
        run_phase(json.loads(line))


def run_phase(request: dict[str, Any]) -> None:
    requested = {host["name"]: host for host in request["hosts"]}
    # What the deploys read, and what pyinfra needs to reach the host.
    hosts = [(name, host["data"] | host["ssh"]) for name, host in requested.items()]
    # FAIL_PERCENT 0: by default pyinfra goes on with the hosts that are left.
    state = State(Inventory((hosts, {})), Config(FAIL_PERCENT=0))
    state.add_callback_handler(Reporter())
    try:
        connect_all(state)
        # Asked of all hosts at once; each deploy would ask its own host, one after the other.
        get_facts(state, Stamps)
        for host in state.inventory.get_active_hosts():
            for name in requested[host.name]["deploys"]:
                add_deploy(state, DEPLOYS[name], host=host)
        # no_wait: each host goes through its own operations, whatever the others do.
        run_ops(state, no_wait=True)
    except PyinfraError as exc:
        error = str(exc)
    else:
        error = ""
    failed = list(_failures(state))
    for failure in failed:
        emit(event="failed", **failure)
    if error or failed:
        emit(event="ended", ok=False, error=error, read={})
        return
    answers = {host.name: _read(host, requested[host.name]["read"]) for host in state.inventory}
    emit(event="ended", ok=True, error="", read=answers)


def _failures(state: Any) -> Iterator[dict[str, str]]:
    """Yield the first operation of each host that did not succeed.

    pyinfra counts and reports failures as it goes, but an exception in a host's greenlet is
    only printed; so what counts is whether every operation of every host has succeeded.
    """
    for host in state.inventory:
        for op_hash in state.get_op_order():
            if op_hash not in state.ops[host]:
                continue
            meta = state.get_op_data_for_host(host, op_hash).operation_meta
            if not meta.is_complete() or not meta.did_succeed():
                yield {"host": host.name, "name": _name(state, op_hash), "output": _output(meta)}
                break


def _read(host: Any, commands: dict[str, str]) -> dict[str, str]:
    """Run read-only commands; what they print goes to the parent only, never to a log."""
    answers = {}
    for key, command in commands.items():
        ok, output = host.run_shell_command(
            command,
            print_output=False,
            print_input=False,
            _sudo=bool(host.data.get("_sudo")),
        )
        if not ok:
            raise PyinfraError(f"`{command}` failed on {host.name}")
        answers[key] = output.stdout
    return answers


def _name(state: Any, op_hash: str) -> str:
    names = state.get_op_meta(op_hash).names
    return sorted(names)[0].rsplit(" | ", 1)[-1] if names else op_hash


def _output(meta: Any) -> str:
    return str(meta.stderr or meta.stdout) if meta.is_complete() else "it did not run to its end"


def emit(**event: Any) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
