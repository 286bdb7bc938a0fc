"""Bring the service's images to the nodes that need them.

To containers of kind they are sent by kind. A node of the sandbox sees the cache of artifacts
read-only, so that an image is read where it lies. What a node has imported is marked by a stamp,
and trusted only as long as its names are there.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from lab.artifacts.recipe import Artifact
from lab.artifacts.serviceimages import DIRECTORY, image_ids
from lab.lifecycle.access import run_on_node
from lab.lifecycle.lab import Lab
from lab.machines.nspawn import STORE
from lab.machines.topology import Node
from lab.progress import Task
from lab.service import kind_images
from lab.service.imported import LIST, STAMPS, has, stamp_of
from lab.service.names import APP, DATA, SERVER, RoleLabel

IMPORT_BOUND_S = 180.0
IMPORTED = "imported"
# Which archives a role needs; on the server node stands the operator's pod as well.
NEEDED = {SERVER: ("observer", "chirps"), DATA: ("postgres",), APP: ("chirps",)}


def artifact_name(archive: str) -> str:
    return f"{archive}-images"


def import_images(
    lab: Lab,
    artifacts: Mapping[str, Artifact],
    roles: Mapping[Node, tuple[RoleLabel, ...]],
    task: Task,
) -> int:
    """Import on every node side by side; return on how many something had to be done."""
    wanted = wanted_on(roles)
    if lab.record.kind:
        return kind_images.load_images(lab, artifacts, wanted, task)
    scripts = {node: script(artifacts, archives) for node, archives in wanted.items()}
    done = 0
    with ThreadPoolExecutor(max_workers=max(len(wanted), 1)) as pool:
        outputs = pool.map(
            lambda node: run_on_node(lab, node, scripts[node], timeout_s=IMPORT_BOUND_S), wanted
        )
        for number, (node, output) in enumerate(zip(wanted, outputs, strict=True), start=1):
            done += IMPORTED in output
            task.advance(number, len(wanted), node.name)
    return done


def wanted_on(roles: Mapping[Node, tuple[RoleLabel, ...]]) -> dict[Node, tuple[str, ...]]:
    """Return the archives that each node needs."""
    return {
        node: tuple(dict.fromkeys(archive for label in labels for archive in NEEDED[label]))
        for node, labels in roles.items()
    }


def script(artifacts: Mapping[str, Artifact], archives: tuple[str, ...]) -> str:
    """Return the shell commands that import what is missing of the archives on one node."""
    ids = image_ids(artifacts)
    steps = (
        _import(artifacts[artifact_name(archive)], archive, tuple(ids[f"{archive}.tar"]))
        for archive in archives
    )
    return "\n".join(["set -e", *steps])


def _import(artifact: Artifact, archive: str, names: tuple[str, ...]) -> str:
    stamp = stamp_of(artifact, archive)
    file = f"{STORE}/{artifact.path.name}/tree/{DIRECTORY}/{archive}.tar"
    return (
        f"{LIST}\n"
        f"if ! {{ {has(stamp, names)}; }}; then\n"
        # --local: by the transfer service it takes twice the CPU time.
        f"  ctr --namespace k8s.io images import --local {file} > /dev/null\n"
        f"  mkdir -p {STAMPS}; rm -f {STAMPS}/service-{archive}-*\n"
        f"  touch {stamp}; echo {IMPORTED} {archive}\n"
        "fi"
    )
