import json
import re
import tarfile
from pathlib import Path

import pytest

from lab.artifacts import kindnode
from lab.artifacts.kind import guest_recipes, kind_recipes, kind_version
from lab.artifacts.kindnode import ARCHIVES, FILES, PROGRAMS, TEXTS, TREES, KindNode
from lab.artifacts.kubeimages import PAUSE
from lab.artifacts.kubeproxy import iptables
from lab.artifacts.recipe import Artifact, Workshop, in_order
from lab.errors import BuildFailed
from lab.machines.topology import POD_SUBNET
from lab.paths import Paths
from lab.progress import Silent


def write(path: Path, text: str = "x", mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node root, as small as it can be."""
    tree = tmp_path / "noderoot"
    write(tree / "usr/lib/systemd/systemd", mode=0o755)
    write(tree / "etc/shadow", mode=0o640)
    write(tree / "etc/systemd/system/multi-user.target.wants/ssh.service")
    write(tree / "etc/systemd/system.conf.d/10-lab.conf")
    write(tree / "usr/sbin/xtables-nft-multi", mode=0o755)
    libraries = tree / "usr/lib/x86_64-linux-gnu"
    for name in ("libc.so.6", "libm.so.6", "libmnl.so.0.2.0", "ld-linux-x86-64.so.2", "libz.so.1"):
        write(libraries / name, mode=0o755)
    (libraries / "libmnl.so.0").symlink_to("libmnl.so.0.2.0")
    write(libraries / "xtables/libxt_statistic.so")
    (tree / "usr/lib64").mkdir()
    (tree / "usr/lib64/ld-linux-x86-64.so.2").symlink_to(f"/{libraries.relative_to(tree)}/ld")
    for name in ("lib", "lib64"):
        (tree / name).symlink_to(f"usr/{name}")
    return tree


@pytest.fixture
def members(paths: Paths, tmp_path: Path, root: Path) -> dict[str, tarfile.TarInfo]:
    """Everything in the image that is built, by its path; the highest layer counts."""
    needs = {"noderoot": Artifact("noderoot", "k", root.parent / "up")}
    (root.parent / "up").mkdir()
    root.rename(root.parent / "up/tree")
    for name in (*TREES, "images", "kube-proxy-image"):
        needs[name] = Artifact(name, "k", tmp_path / name)
        write(tmp_path / name / f"tree/usr/local/bin/{name}", mode=0o755)
    for artifact, name in ARCHIVES.values():
        write(tmp_path / artifact / "tree/usr/share/lab/images" / name)
    tree, scratch = tmp_path / "out", tmp_path / "scratch"
    tree.mkdir()
    scratch.mkdir()
    KindNode("v1.36.3").build(Workshop(paths, Silent(), tree, scratch, needs))
    return read_layers(tree / kindnode.ARCHIVE)


def read_layers(archive: Path) -> dict[str, tarfile.TarInfo]:
    found: dict[str, tarfile.TarInfo] = {}
    with tarfile.open(archive) as image:
        (told,) = json.load(image.extractfile("manifest.json"))  # type: ignore[arg-type]
        assert told["RepoTags"] == ["lab.local/kind-node:v1.36.3"]
        config = json.load(image.extractfile(told["Config"]))["config"]  # type: ignore[arg-type]
        assert config["Entrypoint"] == ["/kind/entrypoint"]
        assert "container=docker" in config["Env"]
        assert config["StopSignal"] == "SIGRTMIN+3"
        for name in told["Layers"]:
            with tarfile.open(fileobj=image.extractfile(name)) as layer:
                found |= {member.name: member for member in layer}
    return found


def test_the_image_holds_what_kind_asks_for(members: dict[str, tarfile.TarInfo]) -> None:
    for path in (
        "kind/version",
        "kind/manifests/default-cni.yaml",
        "kind/manifests/default-storage.yaml",
        "kind/images/all/kube-proxy.tar",
        "kind/images/cp/server.tar",
    ):
        assert members[path].isreg(), path


def test_the_programs_of_the_image_can_be_executed(members: dict[str, tarfile.TarInfo]) -> None:
    for path in (*PROGRAMS, "usr/lib/systemd/systemd", "usr/local/bin/kubernetes"):
        assert members[path].mode == 0o755, path


def test_modes_of_the_node_root_are_kept(members: dict[str, tarfile.TarInfo]) -> None:
    assert members["etc/shadow"].mode == 0o640


def test_only_what_the_image_itself_wants_is_started(members: dict[str, tarfile.TarInfo]) -> None:
    wanted = {Path(path).name for path in members if path.startswith(f"{kindnode.WANTS}/")}

    assert wanted == {"containerd.service", "lab-images.service"}
    assert "etc/systemd/system.conf.d/10-lab.conf" in members


def test_a_node_root_without_a_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="no systemd in it"):
        kindnode.pack_root(tmp_path, tmp_path / "root.tar")


def test_every_file_of_the_image_is_put_somewhere() -> None:
    assert {path.name for path in FILES.iterdir()} == {*PROGRAMS.values(), *TEXTS.values()}


def test_files_of_the_image_agree_with_what_the_rest_of_lab_says() -> None:
    network = str(POD_SUBNET.network_address).rsplit(".", 2)[0]

    assert f'sandbox = "{PAUSE}"' in (FILES / "containerd.toml").read_text()
    assert f'"subnet": "{network}.@number@.0/24"' in (FILES / "10-lab.conflist").read_text()
    assert f"route replace {network}.$other.0/24" in (FILES / "pod-routes").read_text()


def test_kube_proxy_gets_iptables_with_its_plugins_and_what_they_load(root: Path) -> None:
    layer = iptables(root)

    libraries = "usr/lib/x86_64-linux-gnu"
    assert f"{libraries}/libm.so.6" in layer.programs
    assert f"{libraries}/xtables/libxt_statistic.so" in layer.programs
    assert f"{libraries}/libz.so.1" not in layer.programs
    assert layer.links["usr/sbin/ip6tables-restore"] == "xtables-nft-multi"
    # A link in the root that was left as it is would lead to this host's own loader.
    assert layer.links["usr/lib64/ld-linux-x86-64.so.2"] == f"/{libraries}/ld-linux-x86-64.so.2"
    assert all(path.is_relative_to(root) for path in layer.programs.values())


def test_the_recipes_need_nothing_that_is_not_among_them() -> None:
    assert in_order(kind_recipes())[-1].name == "kind-node"
    assert [recipe.name for recipe in in_order(guest_recipes())] == ["kind", "pause", "probe-image"]


def test_kind_is_pinned() -> None:
    assert re.fullmatch(r"v0\.\d+\.\d+", kind_version())
