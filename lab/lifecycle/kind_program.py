"""Run kind itself: make a cluster, bring images to its nodes."""

import os
import re
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from lab.artifacts import process
from lab.artifacts.kind import PROGRAM
from lab.artifacts.recipe import Artifact
from lab.errors import MachineError
from lab.machines import kind
from lab.machines.kind import KindCluster
from lab.paths import Caller
from lab.progress import Task

TAIL_LINES = 20
# What it prints of a step that begins: a mark, what it does, and an emoji.
STEP = re.compile(r"^\W+(\w[^…]*?\w)\s*\W*\.\.\.\W*$")


def program(artifacts: dict[str, Artifact]) -> Path:
    return artifacts[PROGRAM].tree / "usr/local/bin/kind"


def run(program: Path, cluster: KindCluster, *arguments: str, log: Path, task: Task) -> None:
    """Run it to its end, with all it says in `log`; it never outlives lab.

    Raises MachineError with the last it said.
    """
    # As whoever calls, and not the user behind sudo: Docker may be theirs to ask or not.
    me = Caller(os.geteuid(), os.getegid(), Path(os.environ.get("HOME", "/")))
    command = process.Command(
        (str(program), *arguments), Path("/"), me, dict(kind.environment(cluster))
    )
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with process.tethered(command) as running, log.open("a") as file:
        assert running.stdout is not None
        for line in running.stdout:
            file.write(line)
            tail.append(line.rstrip())
            if step := STEP.match(line.rstrip()):
                task.advance(0, 0, step[1])
        status = running.wait()
    if status:
        said = "\n".join(f"  {line}" for line in tail if line.strip())
        raise MachineError(
            f"kind {arguments[0]} failed with exit status {status} on cluster {cluster.name}:"
            f"\n{said}",
            hint=f"all it said is in {log}",
        )


def create(
    program: Path, cluster: KindCluster, config: Path, kubeconfig: Path, *, log: Path, task: Task
) -> None:
    """Make the cluster; readiness is not waited for here, since kind takes a timeout for success.

    Its kubeconfig is a file of its own: the user's ~/.kube is never touched.
    """
    chosen = (f"--name={cluster.name}", f"--config={config}", f"--kubeconfig={kubeconfig}")
    run(program, cluster, "create", "cluster", *chosen, "--wait=0s", log=log, task=task)


def load(
    program: Path,
    cluster: KindCluster,
    archive: Path,
    containers: Sequence[str],
    *,
    log: Path,
    task: Task,
) -> None:
    """Give the images of an archive to these containers of the cluster."""
    chosen = (f"--name={cluster.name}", f"--nodes={','.join(containers)}")
    run(program, cluster, "load", "image-archive", str(archive), *chosen, log=log, task=task)
