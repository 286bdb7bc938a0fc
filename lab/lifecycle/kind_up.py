"""Make a lab whose nodes are containers of kind, or bring one to where it should be.

kind makes a cluster in one go and cannot go on with half of one. So there is all of it or nothing:
whatever goes wrong before the cluster has been seen to work, it is taken away again, and what a
killed command left is taken away by the next.
"""

import secrets
import string
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lab import artifacts
from lab.artifacts import Artifact
from lab.artifacts import kind as kind_artifacts
from lab.artifacts.kindnode import archive_id, archive_of, tag
from lab.artifacts.kubeadm import kubernetes_version
from lab.errors import CommandFailed, InvalidValue, LabError, NotReady
from lab.files import make_dir, write_atomic
from lab.kube import identity, kubeconfig
from lab.lifecycle import facts, kind_program
from lab.lifecycle import record as records
from lab.lifecycle.access import OF_IMAGE
from lab.lifecycle.bounds import BOUNDS, Bounds
from lab.lifecycle.cluster import Cluster
from lab.lifecycle.down import KIND, remove
from lab.lifecycle.kind_plan import Wanted, cluster_name, find, is_made, recipes
from lab.lifecycle.lab import Lab
from lab.lifecycle.lock import exclusive
from lab.lifecycle.plan import HOST, Action, Done
from lab.lifecycle.publish import SERVICE
from lab.lifecycle.record import Record
from lab.machines import docker, forwarder, kind
from lab.machines.kind import KindCluster
from lab.machines.topology import ID_LENGTH, check_lab_name
from lab.paths import Paths
from lab.progress import Progress
from lab.provision.distribution import choose
from lab.scenario import interruption

DISTRIBUTION = "kubeadm"
LOAD_BOUND_S = 600.0
JOURNAL = "journalctl --no-pager --lines=300 --unit=kubelet --unit=containerd"
JOURNAL_BOUND_S = 20.0


def up(
    paths: Paths,
    name: str,
    wanted: Wanted,
    *,
    progress: Progress,
    bounds: Bounds = BOUNDS,
    once: bool = False,
) -> tuple[Record, tuple[Action, ...]]:
    """Return the lab when it is ready, and what had to be done for it.

    With `once` it is one that its command removes, and raises InvalidValue for one that is there.
    """
    check_lab_name(name)
    wanted.make_nodes()
    # Before anything is built for it.
    docker.version()
    with exclusive(paths, name):
        way = _Way(paths, name, wanted, progress, bounds, once)
        return way.go(find(paths, name, wanted)), tuple(way.done.actions)


def start(paths: Paths, name: str, *, progress: Progress, bounds: Bounds = BOUNDS) -> bool:
    """Start the containers of a lab that was stopped; return whether anything had to be done."""
    record = records.load(paths, name)
    assert record.kind
    if record.leaving == "down":
        raise LabError(f"lab {name!r} is half removed", hint=f"lab down --name {name}")
    wanted = Wanted(record.node_count, record.kind.image)
    return bool(up(paths, name, wanted, progress=progress, bounds=bounds)[1])


@dataclass(slots=True)
class _Way:
    """One `lab up --on kind`, with the lab's lock held."""

    paths: Paths
    name: str
    wanted: Wanted
    progress: Progress
    bounds: Bounds
    once: bool = False
    done: Done = field(default_factory=Done)

    def go(self, lab: Lab | None) -> Record:
        if lab and self.once:
            raise InvalidValue(
                f"somebody has made a lab {self.name!r} in the meantime",
                hint=f"lab ci --stage kind --name {self.name} plays on it; or another --name",
            )
        if lab and not is_made(lab):
            self.done.add(HOST, "remove what was cut short")
            remove(self.paths, self.name, self.progress)
            lab = None
        if lab is None:
            return self._make().record
        if lab.record.once:
            # Whoever asks for it from here on wants to keep it.
            lab.update(once=False)
        if facts.why_not_up(lab):
            self._wake(lab)
        return lab.record

    def _wake(self, lab: Lab) -> None:
        """Start what does not run, and see that the cluster works."""
        assert lab.record.kind
        found = lab.machines.running(lab.record.nodes)
        off = [node for node in lab.record.nodes if node.name not in found]
        lab.update(gate_passed=False, leaving="")
        with self.progress.task(f"Starting {len(off)} containers"):
            kind.start(lab.record.kind, off)
        for node in off:
            self.done.add(node.name, "start")
        _check(lab, self.bounds, self.progress, self.done)

    def _make(self) -> Lab:
        cluster = self._cluster()
        kind.require_free(cluster)
        built = self._build()
        image = self._image(built)
        lab = self._record(cluster, built, image)
        try:
            self._create(lab, built, image)
            try:
                _check(lab, self.bounds, self.progress, self.done)
            except NotReady as exc:
                raise _with_journals(lab, exc) from exc
        except BaseException:
            # Not to be cut short by who is impatient: it is bounded.
            with interruption.held():
                remove(self.paths, self.name, self.progress)
            raise
        return lab

    def _cluster(self) -> KindCluster:
        lab_id = "".join(secrets.choice(string.ascii_lowercase) for _ in range(ID_LENGTH))
        port = forwarder.free_port(SERVICE.preferred)
        return KindCluster(cluster_name(self.name), lab_id, self.wanted.image, port)

    def _build(self) -> dict[str, Artifact]:
        chosen = recipes(self.wanted.image)
        for missing in artifacts.missing(chosen, self.paths):
            self.done.add(HOST, f"build {missing}")
        return artifacts.ensure(chosen, paths=self.paths, progress=self.progress)

    def _image(self, built: Mapping[str, Artifact]) -> str:
        """Return the node image, which Docker has then; raises InvalidValue for one it has not."""
        if self.wanted.image:
            if not docker.image_id(self.wanted.image):
                raise InvalidValue(
                    f"Docker has no image {self.wanted.image!r}",
                    hint=f"docker pull {self.wanted.image}, or leave --image out for lab's own",
                )
            return self.wanted.image
        own = tag(kubernetes_version())
        if docker.image_id(own) != archive_id(built["kind-node"]):
            self.done.add(HOST, "load node image")
            with self.progress.task(f"Loading the node image {own} into Docker"):
                archive = str(archive_of(built["kind-node"]))
                docker.docker("load", "--quiet", "--input", archive, timeout_s=LOAD_BOUND_S)
        return own

    def _record(self, cluster: KindCluster, built: Mapping[str, Artifact], image: str) -> Lab:
        nodes = self.wanted.make_nodes()
        make_dir(self.paths.lab(self.name), owner=self.paths.caller, mode=0o700)
        record = Record(
            name=self.name,
            lab_id=cluster.lab_id,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            node_count=len(nodes),
            distribution=DISTRIBUTION,
            version=_version_of(image),
            artifacts={key: str(artifact.path) for key, artifact in built.items()},
            kind=cluster,
            once=self.once,
        )
        records.save(self.paths, record)
        return Lab.open(self.paths, record)

    def _create(self, lab: Lab, built: dict[str, Artifact], image: str) -> None:
        cluster = lab.record.kind
        assert cluster
        undo = {"name": cluster.name, "lab_id": cluster.lab_id}
        lab.journal.intend_once(KIND, cluster.lab_id, **undo)
        kind.make_network(cluster)
        config = lab.directory / "kind.json"
        text = kind.config(cluster, lab.record.nodes, image, SERVICE.port)
        write_atomic(config, text, owner=self.paths.caller)
        made = lab.directory / "kind-kubeconfig"
        program = kind_program.program(built)
        with self.progress.task(f"Making {len(lab.record.nodes)} nodes with kind") as task:
            kind_program.create(
                program, cluster, config, made, log=log_file(self.paths, self.name), task=task
            )
        kind.prefer_server(cluster, lab.record.nodes)
        if self.wanted.image:
            self._load_probe(lab, built, program)
            first = cluster.container(lab.record.nodes[0])
            kind.copy_program(first, "kubectl", lab.directory / OF_IMAGE)
        self._introduce(lab, made)
        self.done.add(HOST, f"make cluster {cluster.name}")

    def _load_probe(self, lab: Lab, built: Mapping[str, Artifact], program: Path) -> None:
        """Bring what the check runs: a node image of somebody else does not have it."""
        cluster = lab.record.kind
        assert cluster
        with self.progress.task("Loading the probe's image") as task:
            kind_program.load(
                program,
                cluster,
                kind_artifacts.probe_archive(built),
                [cluster.container(node) for node in lab.record.nodes],
                log=log_file(self.paths, self.name),
                task=task,
            )

    def _introduce(self, lab: Lab, made: Path) -> None:
        """Record who the cluster is, and write the lab's own kubeconfig."""
        admin = made.read_text()
        access = kubeconfig.parse(admin, origin=str(made))
        lab.update(api_port=int(access.server.rpartition(":")[2]))
        lab.update(identity=identity.read(lab.access(admin)))
        lab.write_kubeconfig(admin)
        made.unlink()
        lab.update(joined=tuple(node.name for node in lab.record.nodes))


def _check(lab: Lab, bounds: Bounds, progress: Progress, done: Done) -> None:
    """Return when everything has been seen to work, by the same gate as on other labs."""
    Cluster(lab, choose(DISTRIBUTION), bounds, progress, done).check()


def _with_journals(lab: Lab, failed: NotReady) -> NotReady:
    """Keep what the nodes' agents said, and return the failure with where that is.

    The nodes are about to be gone, so to look there is no advice.
    """
    file = log_file(lab.paths, lab.record.name)
    with file.open("a") as log:
        for node in lab.record.nodes:
            log.write(f"\n{node.name}: journal of kubelet and containerd\n")
            with suppress(LabError):
                log.write(lab.machines.run(node, JOURNAL, timeout_s=JOURNAL_BOUND_S))
    return NotReady(
        f"{failed.message}\nthe cluster was taken away again",
        hint=f"what kind and the nodes said is in {file}",
    )


def _version_of(image: str) -> str:
    """Return the version of Kubernetes in a node image; raises InvalidValue for another image."""
    if image == tag(kubernetes_version()):
        return kubernetes_version()
    try:
        argv = ("run", "--rm", "--network=none", "--entrypoint=cat", image, "/kind/version")
        return docker.docker(*argv).strip()
    except CommandFailed as exc:
        raise InvalidValue(
            f"image {image!r} is no node image of kind: there is no /kind/version in it",
            hint="https://kind.sigs.k8s.io/docs/design/node-image",
        ) from exc


def log_file(paths: Paths, name: str) -> Path:
    """Return where all that kind said is kept: outside of the lab, which may be gone by then."""
    return make_dir(paths.state / "kind", owner=paths.caller) / f"{name}.log"
