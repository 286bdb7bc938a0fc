"""Do to nodes of a lab what faults do: python -m tests.docker.node_faults LAB VERB:WHAT...

A program, since the API of a lab on the Docker of tests is on the loopback of its network alone.
"""

import sys
import time

from lab.lifecycle.lab import Lab
from lab.lifecycle.lock import exclusive
from lab.paths import find_paths
from lab.stages.cluster_nodes import ClusterNodeFaults
from lab.stages.own_events import OwnEvents


def act(faults: ClusterNodeFaults, verb: str, what: str) -> None:
    match verb:
        case "isolate":
            faults.isolate(what)
        case "rejoin":
            faults.rejoin(what, wait=True)
        case "power_off":
            faults.power_off(what)
        case "power_on":
            faults.power_on(what, wait=True)
        case _:
            raise ValueError(f"unknown verb {verb!r}")


def main(name: str, *steps: str) -> None:
    paths = find_paths()
    with exclusive(paths, name):
        lab = Lab.load(paths, name)
        faults = ClusterNodeFaults(lab, lab.connect(), OwnEvents(time.monotonic_ns))
        for step in steps:
            verb, _, what = step.partition(":")
            act(faults, verb, what)


if __name__ == "__main__":
    main(*sys.argv[1:])
