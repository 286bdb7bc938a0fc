"""python -m benchmarks.k3s: what provisioning costs, and two ways to send a release to nodes.

What is provisioned is the stand-in of tests/k3s, which is no k3s: the figures are of what lab does
to nodes, with files as large as those of a release. What k3s itself would take is not in them.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks import standin, uploads
from benchmarks.machine import describe_machine
from benchmarks.standin import STAND_IN, Bare, boot_all, new_lab, settings_of
from benchmarks.uploads import Upload
from benchmarks.workplace import workplace
from lab.errors import LabError
from lab.lifecycle.cluster import start_child
from lab.lifecycle.lab import Lab, require_root
from lab.machines.topology import make_nodes
from lab.paths import Paths
from lab.provision.child import Child, Phase
from lab.provision.k3s_phases import K3s

NODES = 6
SERVERS = (1, 3)


@dataclass(frozen=True, slots=True)
class Step:
    """A phase: how long it took, and how many operations were done on nodes."""

    title: str
    seconds: float
    operations: int


@dataclass(frozen=True, slots=True)
class Provisioned:
    """One cluster: its phases, the same once more, and the removal of all of it."""

    servers: int
    first: tuple[Step, ...]
    again: tuple[Step, ...]
    removal: Step


def main(arguments: Sequence[str]) -> int:
    if arguments:
        sys.stderr.write("usage: python -m benchmarks.k3s\n")
        return 2
    try:
        require_root("up")
        clusters, sent = measure()
    except LabError as error:
        say(f"Error: {error.message}")
        if error.hint:
            say(f"Hint: {error.hint}")
        return error.exit_code
    machine = ", ".join(f"{name} {value}" for name, value in describe_machine().items())
    sys.stdout.write("\n".join((machine, *render(clusters), *uploads.render(sent))) + "\n")
    return 0


def measure() -> tuple[list[Provisioned], list[Upload]]:
    """Measure in a place of its own, which takes all down and away, however this ends."""
    with workplace() as place:
        paths = standin.with_own_cache(place.lab.paths, place.directory)
        say("making a release of the stand-in")
        choice = standin.make_release(place.directory / "release")
        standin.fill_cache(paths, K3s(choice))
        clusters = [provision(paths, K3s(choice), servers) for servers in SERVERS]
        sent = uploads.measure(paths, Bare(choice), place.directory, say)
    return clusters, sent


def provision(paths: Paths, k3s: K3s, servers: int) -> Provisioned:
    say(f"provisioning {NODES} nodes, {servers} of them servers")
    nodes = make_nodes(NODES, servers)
    # The child loads pyinfra while nodes boot, as with `lab up`.
    with new_lab(paths, k3s, nodes) as lab, start_child(lab) as child:
        boot_all(lab, k3s)
        bound = k3s.bind(lab.record.artifacts)
        secrets = bound.make_secrets()
        first = run_phases(lab, bound, child, secrets)
        again = run_phases(lab, bound, child, secrets)
        removal = Timer(child)
        removal.run(bound.uninstall_phase(nodes))
    return Provisioned(servers, first, again, removal.steps[0])


@dataclass(slots=True)
class Timer:
    """Runs phases, and keeps what each took."""

    child: Child
    steps: list[Step] = field(default_factory=list)

    def run(self, phase: Phase) -> dict[str, dict[str, str]]:
        done: list[str] = []
        started = time.monotonic()
        answers = self.child.run(phase, lambda host, name: done.append(name))
        self.steps.append(Step(phase.title, time.monotonic() - started, len(done)))
        return answers


def run_phases(lab: Lab, k3s: K3s, child: Child, secrets: Mapping[str, str]) -> tuple[Step, ...]:
    """Run the phases of a whole cluster in the order of `lab up`."""
    timer, nodes = Timer(child), lab.record.nodes
    settings = settings_of(lab, k3s)
    first, *others = lab.record.server_nodes
    phase = k3s.start_phase(nodes, settings, secrets=secrets, new=nodes, server=first)
    outputs = timer.run(phase)[first.name] | {"server_address": first.address}
    for server in others:
        timer.run(k3s.join_server_phase(server, nodes, outputs))
    agents = tuple(node for node in nodes if not node.is_server)
    timer.run(k3s.join_phase(agents, nodes, outputs))
    return tuple(timer.steps)


def render(clusters: Iterable[Provisioned]) -> Iterator[str]:
    for each in clusters:
        yield ""
        yield f"### Provisioning {NODES} nodes, {each.servers} of them servers, with {STAND_IN}"
        yield ""
        yield "Nothing is sent: program and images are in a layer below the nodes' disks."
        yield ""
        yield "| phase | first run | operations | second run | operations |"
        yield "|---|--:|--:|--:|--:|"
        for first, again in zip(each.first, each.again, strict=True):
            yield _row(first.title, first, again)
        yield _row("all phases", _total(each.first), _total(each.again))
        yield _row(each.removal.title, each.removal)


def _row(title: str, *runs: Step) -> str:
    cells = [f"{run.seconds:.1f} s | {run.operations}" for run in runs]
    return f"| {title} | {' | '.join((*cells, *[' | '] * (2 - len(cells))))} |"


def _total(steps: Sequence[Step]) -> Step:
    seconds = sum(step.seconds for step in steps)
    return Step("", seconds, sum(step.operations for step in steps))


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
