"""What tests of kind share: a Docker of their own, and a user of it with lab's node image.

The daemon is in a network namespace that no interface leads out of.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from lab import artifacts
from lab.artifacts.kind import kind_recipes
from lab.artifacts.kindnode import archive_of, tag
from lab.artifacts.kubeadm import kubernetes_version
from lab.paths import find_paths
from lab.progress import Silent
from tests.docker import daemon
from tests.docker.daemon import Docker
from tests.docker.home import DockerHome

SCENARIOS = Path(__file__).parent / "service/scenarios"
OURS = tag(kubernetes_version())
# What a user of Docker has beside lab, and finds as it was.
OWN_KUBECONFIG = b"""apiVersion: v1
kind: Config
clusters: [{name: mine, cluster: {server: "https://192.0.2.1:6443"}}]
current-context: ""
"""


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    work = Path(tempfile.mkdtemp(prefix="e2e-docker-", dir="/var/tmp"))
    try:
        with daemon.running(work) as running:
            yield running
    finally:
        rmtree(work)


@pytest.fixture(scope="module")
def home(docker: Docker) -> Iterator[DockerHome]:
    """One home for all, as of one user of this Docker."""
    directory = Path(tempfile.mkdtemp(prefix="e2e-", dir="/var/tmp"))
    made = DockerHome(directory, find_paths().cache.parent, docker=docker)
    files = own_kubeconfigs(directory / "user")
    made.more = {"HOME": str(directory / "user"), "KUBECONFIG": str(files[0])}
    try:
        yield made
        assert made.left() == []
        assert [file.read_bytes() for file in files] == [OWN_KUBECONFIG] * 2
    finally:
        made.remove_all()
        rmtree(directory)


def own_kubeconfigs(user: Path) -> tuple[Path, Path]:
    """Write one where a variable says, and one where everybody looks; the only files of theirs."""
    files = user / "chosen/kubeconfig", user / ".kube/config"
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_bytes(OWN_KUBECONFIG)
    return files


@pytest.fixture(scope="module")
def loaded(home: DockerHome) -> str:
    """Lab's own node image, which Docker has."""
    built = artifacts.ensure(kind_recipes(), paths=find_paths(), progress=Silent())
    archive = str(archive_of(built["kind-node"]))
    home.docker.run("docker", "load", "--quiet", "--input", archive, timeout_s=300)
    return OURS


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one scenario, which takes seconds."""
    folder = tmp_path_factory.mktemp("scenarios")
    (folder / "quick").symlink_to(SCENARIOS / "quick")
    return folder
