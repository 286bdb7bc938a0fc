"""Bring the service's images to nodes that are containers: by `kind load`, where they lack them."""

from collections.abc import Mapping
from pathlib import Path

from lab.artifacts.recipe import Artifact
from lab.artifacts.serviceimages import DIRECTORY, image_ids
from lab.lifecycle import kind_program
from lab.lifecycle.access import run_on_node
from lab.lifecycle.kind_up import log_file
from lab.lifecycle.lab import Lab
from lab.machines.topology import Node
from lab.progress import Task
from lab.service.imported import LIST, STAMPS, has, stamp_of

LOOK_BOUND_S = 30.0


def load_images(
    lab: Lab,
    artifacts: Mapping[str, Artifact],
    wanted: Mapping[Node, tuple[str, ...]],
    task: Task,
) -> int:
    """Load each archive on the nodes that want and lack it; return on how many nodes."""
    cluster = lab.record.kind
    assert cluster
    ids = image_ids(artifacts)
    program = Path(lab.record.artifacts["kind"]) / "tree/usr/local/bin/kind"
    touched: set[str] = set()
    archives = tuple(dict.fromkeys(archive for each in wanted.values() for archive in each))
    for number, archive in enumerate(archives, 1):
        artifact = artifacts[f"{archive}-images"]
        stamp, names = stamp_of(artifact, archive), tuple(ids[f"{archive}.tar"])
        lacking = [
            node
            for node, needed in wanted.items()
            if archive in needed and not _has(lab, node, stamp, names)
        ]
        if lacking:
            file = artifact.tree / DIRECTORY / f"{archive}.tar"
            containers = [cluster.container(node) for node in lacking]
            log = log_file(lab.paths, lab.record.name)
            kind_program.load(program, cluster, file, containers, log=log, task=task)
            for node in lacking:
                _stamp(lab, node, archive, stamp)
        touched |= {node.name for node in lacking}
        task.advance(number, len(archives), archive)
    return len(touched)


def _has(lab: Lab, node: Node, stamp: str, names: tuple[str, ...]) -> bool:
    script = f"{LIST}\nif {has(stamp, names)}; then echo yes; fi\n"
    return run_on_node(lab, node, script, timeout_s=LOOK_BOUND_S).strip() == "yes"


def _stamp(lab: Lab, node: Node, archive: str, stamp: str) -> None:
    script = f"mkdir -p {STAMPS} && rm -f {STAMPS}/service-{archive}-* && touch {stamp}\n"
    run_on_node(lab, node, script, timeout_s=LOOK_BOUND_S)
