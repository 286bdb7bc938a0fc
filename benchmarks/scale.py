"""python -m benchmarks.scale: what more nodes and more servers cost, and where it bends."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import idle
from benchmarks.machine import describe_machine
from benchmarks.workplace import Workplace, workplace
from lab.errors import LabError
from lab.lifecycle.lab import require_root

# Nodes and servers.
SIZES = ((1, 1), (3, 1), (6, 1), (12, 1), (6, 3))
SETTLE_S = 20
WATCH_S = 20
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Size:
    """One lab: seconds of `lab up` and its phases, of a second `lab up`, and what it uses idle."""

    nodes: int
    servers: int
    up_s: float
    again_s: float
    phases: Mapping[str, float]
    memory: int
    cores: float


def main(arguments: Sequence[str]) -> int:
    if arguments:
        sys.stderr.write("usage: python -m benchmarks.scale\n")
        return 2
    try:
        require_root("up")
        with workplace() as place:
            sizes = [measure(place, nodes, servers) for nodes, servers in SIZES]
    except LabError as error:
        sys.stderr.write(f"Error: {error.message}\n")
        return error.exit_code
    machine = ", ".join(f"{name} {value}" for name, value in describe_machine().items())
    sys.stdout.write("\n".join((machine, "", *render(sizes))) + "\n")
    return 0


def measure(place: Workplace, nodes: int, servers: int) -> Size:
    sys.stderr.write(f"{nodes} nodes, {servers} servers\n")
    done, phases = place.lab.up("--nodes", str(nodes), "--servers", str(servers))
    again, _ = place.lab.up()
    lab_id = place.lab.record().lab_id
    time.sleep(SETTLE_S)
    cores = idle.cores_used(lab_id, watch_s=WATCH_S)
    memory = sum(map(idle.memory_used, idle.node_groups(lab_id, "memory")))
    place.lab.down()
    return Size(nodes, servers, done.seconds, again.seconds, phases, memory, cores)


def render(sizes: Sequence[Size]) -> Iterator[str]:
    yield "| nodes | servers | lab up | again | memory | MiB a node | cores idle |"
    yield "|--:|--:|--:|--:|--:|--:|--:|"
    for size in sizes:
        mib = size.memory / MIB
        yield (
            f"| {size.nodes} | {size.servers} | {size.up_s:.1f} s | {size.again_s:.1f} s "
            f"| {mib:.0f} MiB | {mib / size.nodes:.0f} | {size.cores:.2f} |"
        )
    for size in sizes:
        told = " · ".join(f"{title} {s:.1f}" for title, s in size.phases.items() if s >= 0.05)
        yield ""
        yield f"{size.nodes} nodes, {size.servers} servers, seconds: {told}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
