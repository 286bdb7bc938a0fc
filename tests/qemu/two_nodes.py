"""Act on a sandbox of two nodes with lab's own parts, one action a call, on a test machine.

    python3 -m tests.qemu.two_nodes ACTION [NODE ...]

The answer is one line of JSON. There is no cluster: what a lab's commands add to its
machines is proved elsewhere, and takes long where every instruction is emulated.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.artifacts import kubeadm_recipes, layout, locate
from lab.files import make_dir
from lab.journal import Journal
from lab.lifecycle.machines import Sandboxed
from lab.machines import keys, placement, sysctls
from lab.machines.keys import Keys
from lab.machines.processes import current_boot_id
from lab.machines.sandbox import Sandbox
from lab.machines.topology import Node, find_node, make_nodes
from lab.paths import find_paths
from lab.provision.child import Child
from lab.provision.distribution import Settings
from lab.provision.kubeadm_phases import Kubeadm
from lab.residue import Fingerprint, compare, take_fingerprint

LAB_ID = "k7q2"
NODES = make_nodes(2)
# What a node needs to run containers, topmost first; kubelet and the rest are left out.
LAYERS = ("noderoot", "containerd", "cni", "images")
BOOT_BOUND_S = 300
PHASE_BOUND_S = 600
FINGERPRINT = Path("/root/before.json")


@dataclass(frozen=True, slots=True)
class Two:
    """The sandbox and who may log in to it."""

    sandbox: Sandbox
    keys: Keys

    def make(self, _: Sequence[Node]) -> None:
        sysctls.hold(LAB_ID)
        self.sandbox.create_network()
        keys.make(self.keys.directory, NODES, owner=self.sandbox.owner)

    def boot(self, nodes: Sequence[Node]) -> None:
        down = [node for node in nodes if not self.sandbox.is_running(node)]
        self.sandbox.boot(down, layers(), self.keys)
        self.sandbox.wait_until_up(nodes, timeout_s=BOOT_BOUND_S)

    def stop(self, nodes: Sequence[Node]) -> None:
        self.sandbox.stop(nodes)

    def power_off(self, nodes: Sequence[Node]) -> None:
        self.sandbox.power_off(nodes)

    def running(self, _: Sequence[Node]) -> list[str]:
        return [node.name for node in NODES if self.sandbox.is_running(node)]

    def prepare(self, nodes: Sequence[Node]) -> list[str]:
        """Run the phase that readies a node for a cluster; return the operations that ended."""
        done: list[str] = []
        settings = Settings("lab-two", "v0", "test", cgroup_driver="systemd")
        phase = Kubeadm().start_phase(
            NODES, settings, secrets={"token": ""}, new=tuple(nodes), server=NODES[0]
        )
        names = {node.name for node in nodes}
        # The server is asked for its keys in the same phase, and there is none.
        phase = replace(phase, targets=tuple(t for t in phase.targets if t.name in names))
        with Child(Sandboxed("two", self.sandbox, self.keys), Path("/root/provision.log")) as child:
            child.run(phase, lambda host, name: done.append(f"{host}: {name}"))
        return done

    def remove(self, _: Sequence[Node]) -> None:
        self.sandbox.destroy(NODES)
        self.sandbox.destroy_network()
        sysctls.release(LAB_ID)

    def note(self, _: Sequence[Node]) -> None:
        """Note how the host is, for `differences`."""
        FINGERPRINT.write_text(json.dumps(take_fingerprint().to_dict()))

    def differences(self, _: Sequence[Node]) -> list[str]:
        """Return what of a lab the host has now and did not have when it was noted."""
        before = Fingerprint.from_dict(json.loads(FINGERPRINT.read_text()))
        found = compare(before, take_fingerprint())
        return [f"{each.kind}: {each.what}" for each in found if each.is_residue]


def layers() -> tuple[Path, ...]:
    trees = locate(kubeadm_recipes(), find_paths())
    return tuple(trees[name].tree for name in LAYERS)


def open_two() -> Two:
    paths = find_paths()
    directory = make_dir(paths.lab("two"), owner=paths.caller, mode=0o700)
    journal = Journal(directory / "journal.jsonl", owner=paths.caller, boot_id=current_boot_id())
    sandbox = Sandbox(
        lab_id=LAB_ID,
        directory=directory,
        store=layout.artifacts(paths),
        nodes=NODES,
        placement=placement.of_this_host(),
        journal=journal,
        owner=paths.caller,
    )
    return Two(sandbox, Keys(directory / "keys"))


def main(action: str, *names: str) -> None:
    act: Callable[[Sequence[Node]], Any] = getattr(open_two(), action)
    answer = act([find_node(NODES, name) for name in names] or NODES)
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
