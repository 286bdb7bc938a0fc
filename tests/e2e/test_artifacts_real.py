"""What was really built for a kubeadm cluster; from the cache of the user, never built here."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.artifacts import (
    Artifact,
    export_bundle,
    import_bundle,
    kubeadm_recipes,
    locate,
    missing,
    verify,
)
from lab.artifacts.kubeimages import DIRECTORY
from lab.errors import ArtifactCorrupt, BundleInvalid, NoSpace
from lab.paths import Paths, find_paths
from lab.progress import Silent

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def artifacts() -> dict[str, Artifact]:
    paths = find_paths()
    if absent := missing(kubeadm_recipes(), paths):
        pytest.skip(f"not built yet: {', '.join(absent)}")
    return locate(kubeadm_recipes(), paths)


def run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def kubernetes_version() -> str:
    kubernetes = next(each for each in kubeadm_recipes() if each.name == "kubernetes")
    return next(
        word for word in kubernetes.inputs()["ldflags"].split() if "component-base" in word
    ).partition("=")[2]


def tags(archive: Path) -> set[str]:
    with tarfile.open(archive) as tar:
        file = tar.extractfile("manifest.json")
        assert file is not None
        return {tag for image in json.load(file) for tag in image["RepoTags"]}


def test_every_program_says_the_version_that_is_pinned(artifacts: dict[str, Artifact]) -> None:
    programs = artifacts["kubernetes"].tree / "usr/local/bin"
    version = kubernetes_version()

    assert run(programs / "kubelet", "--version") == f"Kubernetes {version}\n"
    assert run(programs / "kubeadm", "version", "-o", "short") == f"{version}\n"
    assert run(programs / "kubectl", "version", "--client").startswith(f"Client Version: {version}")


def test_the_server_archive_has_every_image_that_kubeadm_asks_for(
    artifacts: dict[str, Artifact],
) -> None:
    kubeadm = artifacts["kubernetes"].tree / "usr/local/bin/kubeadm"
    version = kubernetes_version()
    wanted = run(kubeadm, "config", "images", "list", "--kubernetes-version", version).split()
    found = tags(artifacts["images"].tree / DIRECTORY / "server.tar")

    # kube-proxy runs as a service of the node.
    assert {tag for tag in wanted if "kube-proxy" not in tag} | {"lab.local/probe:1"} == found


def test_the_agent_archive_has_what_every_node_needs(artifacts: dict[str, Artifact]) -> None:
    archive = artifacts["images"].tree / DIRECTORY / "agent.tar"

    assert {tag.partition(":")[0] for tag in tags(archive)} == {
        "registry.k8s.io/pause",
        "lab.local/probe",
    }


def test_the_node_root_belongs_to_root_and_raises_nobodys_privileges(
    artifacts: dict[str, Artifact],
) -> None:
    tree = artifacts["noderoot"].tree
    found = [path.lstat() for path in tree.rglob("*")]

    assert tree.stat().st_uid == 0
    assert max(entry.st_uid for entry in found) < 1000
    assert not [e for e in found if stat.S_ISREG(e.st_mode) and e.st_mode & 0o6000]
    assert not [e for e in found if stat.S_ISCHR(e.st_mode) or stat.S_ISBLK(e.st_mode)]


def test_a_quick_look_at_everything_takes_less_than_half_a_second(
    artifacts: dict[str, Artifact],
) -> None:
    started = time.monotonic()
    for artifact in artifacts.values():
        verify(artifact, thorough=False)

    assert time.monotonic() - started < 0.5


@pytest.fixture
def copy(artifacts: dict[str, Artifact], paths: Paths, tmp_path: Path) -> Iterator[Path]:
    """The cache of this test, filled through a bundle."""
    bundle = tmp_path / "bundle.tar"
    export_bundle(bundle, kubeadm_recipes(), paths=find_paths(), progress=Silent())
    import_bundle(bundle, paths=paths, progress=Silent())
    bundle.unlink()
    yield paths.cache
    shutil.rmtree(paths.cache)


def test_a_bundle_keeps_owners_modes_and_links_and_damage_is_found(
    artifacts: dict[str, Artifact], copy: Path, paths: Paths
) -> None:
    copied = locate(kubeadm_recipes(), paths)
    for artifact in copied.values():
        verify(artifact, thorough=True)

    shadow = copied["noderoot"].tree / "etc/shadow"
    original = (artifacts["noderoot"].tree / "etc/shadow").stat()
    assert (shadow.stat().st_gid, shadow.stat().st_mode) == (original.st_gid, original.st_mode)

    shadow.chmod(0o644)
    with pytest.raises(ArtifactCorrupt, match="etc/shadow is damaged: expected entries sha256:"):
        verify(copied["noderoot"], thorough=False)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "full"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "lab-test", directory], check=True)
    yield directory
    subprocess.run(["umount", directory], check=True)


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.zst"])
def test_an_export_to_a_full_disk_is_told_and_leaves_nothing(
    artifacts: dict[str, Artifact], full_disk: Path, suffix: str
) -> None:
    with pytest.raises(NoSpace, match=str(full_disk)):
        export_bundle(
            full_disk / f"b.{suffix}", kubeadm_recipes(), paths=find_paths(), progress=Silent()
        )
    assert [*full_disk.iterdir()] == []


def test_an_import_to_a_full_disk_is_told_and_leaves_nothing(
    artifacts: dict[str, Artifact], full_disk: Path, paths: Paths, tmp_path: Path
) -> None:
    bundle = tmp_path / "pause.tar"
    recipe = next(each for each in kubeadm_recipes() if each.name == "pause")
    export_bundle(bundle, [recipe], paths=find_paths(), progress=Silent())
    full = Paths(paths.caller, full_disk / "lab", paths.data, paths.state)

    with pytest.raises(NoSpace, match=str(full_disk)):
        import_bundle(bundle, paths=full, progress=Silent())
    assert not (full.cache / "artifacts").exists()
    assert not (full.cache / "partial").exists()


def test_a_truncated_bundle_of_the_real_thing_is_refused(
    artifacts: dict[str, Artifact], paths: Paths, tmp_path: Path
) -> None:
    bundle = tmp_path / "pause.tar"
    recipe = next(each for each in kubeadm_recipes() if each.name == "pause")
    export_bundle(bundle, [recipe], paths=find_paths(), progress=Silent())
    os.truncate(bundle, bundle.stat().st_size // 2)

    with pytest.raises(BundleInvalid, match="complete"):
        import_bundle(bundle, paths=paths, progress=Silent())


def test_pause_waits_for_a_signal_and_then_ends_well(artifacts: dict[str, Artifact]) -> None:
    with subprocess.Popen([artifacts["pause"].tree / "usr/local/bin/pause"]) as pause:
        with pytest.raises(subprocess.TimeoutExpired):
            pause.wait(0.2)
        pause.send_signal(signal.SIGTERM)

        assert pause.wait(5) == 0


@pytest.fixture
def probe(artifacts: dict[str, Artifact]) -> Iterator[str]:
    with socket.socket() as taken:
        if taken.connect_ex(("127.0.0.1", 8080)) == 0:
            pytest.skip("port 8080 is in use")
    program = artifacts["pause"].tree / "usr/local/bin/pause"
    with subprocess.Popen([program, "serve"], env={"NODE_NAME": "n3"}) as server:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", 8080)) == 0:
                    break
            time.sleep(0.02)
        yield "http://127.0.0.1:8080"
        server.terminate()


def test_a_probe_tells_its_node_and_whom_it_reaches(probe: str) -> None:
    with urllib.request.urlopen(f"{probe}/name") as answer:
        assert answer.read() == b"n3"

    query = f"url={probe}/name&url=http://127.0.0.1:1/&dns=x.test.@127.0.0.1"
    with urllib.request.urlopen(f"{probe}/check?{query}") as answer:
        found = json.load(answer)
    assert found[f"{probe}/name"] == {"ok": True, "answer": "n3", "error": ""}
    assert not found["http://127.0.0.1:1/"]["ok"]
    assert "connection refused" in found["http://127.0.0.1:1/"]["error"]
    assert not found["x.test.@127.0.0.1"]["ok"]
