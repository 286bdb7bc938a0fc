"""The upgrade of a lab whose k3s is the stand-in, as a program that can be killed.

    python -m tests.k3s.upgrading LAB RELEASE VERSION

The stand-in runs no pods, so the cluster's network cannot be asked afterwards: it is only seen that
every node is Ready with the version. What was done goes to standard output as JSON.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from typing_extensions import override

from lab.artifacts.k3s import K3sChoice
from lab.artifacts.k3s_source import Directory
from lab.lifecycle import upgrade
from lab.lifecycle.bounds import BOUNDS
from lab.lifecycle.cluster import Cluster
from lab.lifecycle.lab import Lab
from lab.lifecycle.lock import exclusive
from lab.lifecycle.plan import Done
from lab.paths import find_paths
from lab.progress import Silent
from lab.provision import readiness
from lab.provision.k3s_phases import K3s
from tests.k3s.build import lock_of


class WithoutPods(Cluster):
    """A cluster of which only the nodes are looked at."""

    @override
    def check(self) -> None:
        record = self.lab.record
        readiness.wait_for_nodes(
            self.connect_when_up(),
            record.nodes,
            record.versions,
            timeout_s=self.bounds.nodes_s,
            advance=lambda done, total, detail: None,
        )
        self.lab.update(gate_passed=True)


def of_release(release: Path, version: str) -> K3s:
    """Return the k3s of a release, locked to its content, so that the cache never mixes it up."""
    return K3s(K3sChoice(lock_of(release, version), Directory(release)))


def main(name: str, release: str, version: str) -> None:
    upgrade.Cluster = WithoutPods  # type: ignore[misc]
    paths, done = find_paths(), Done()
    with exclusive(paths, name):
        lab = Lab.load(paths, name)
        k3s = of_release(Path(release), version)
        upgrade.Upgrade(lab, k3s, BOUNDS, Silent(), done).run()
    sys.stdout.write(json.dumps([asdict(action) for action in done.actions]))


if __name__ == "__main__":
    main(*sys.argv[1:])
