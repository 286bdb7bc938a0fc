from pathlib import Path

import pytest

from lab.artifacts.gobuild import GoPrograms
from lab.artifacts.kubeadm import go_recipes, kubeadm_recipes
from lab.artifacts.noderoot import NodeRoot
from lab.artifacts.recipe import architecture, in_order, key_for, keys_of
from lab.errors import HostUnfit


@pytest.fixture
def module(tmp_path: Path) -> Path:
    for name, text in {
        "go.mod": "module lab.invalid/x\n\ngo 1.26.0\n",
        "go.sum": "sum",
        "main.go": "package main",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go"])
def test_the_key_changes_with_each_file_of_a_module(module: Path, name: str) -> None:
    before = keys_of([GoPrograms("x", module)])
    (module / name).write_text((module / name).read_text() + "\n// changed\n")

    assert keys_of([GoPrograms("x", module)]) != before


@pytest.mark.parametrize(
    "changed",
    [{"packages": ("./other",)}, {"destination": "opt/bin"}, {"links": ("y",)}, {"name": "y"}],
)
def test_the_key_changes_with_each_setting_of_a_recipe(module: Path, changed: dict) -> None:
    before = keys_of([GoPrograms("x", module)])["x"]

    assert (
        before not in keys_of([GoPrograms(**{"name": "x", "module": module, **changed})]).values()
    )


def test_the_key_changes_with_the_architecture(
    module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = keys_of([GoPrograms("x", module)])
    other = "aarch64" if architecture() == "amd64" else "x86_64"
    monkeypatch.setattr("platform.machine", lambda: other)

    assert keys_of([GoPrograms("x", module)]) != here


def test_the_key_changes_with_what_it_is_built_from(recipe) -> None:
    one = keys_of([recipe("base", "1"), recipe("top", needs=("base",))])
    two = keys_of([recipe("base", "2"), recipe("top", needs=("base",))])

    assert one["top"] != two["top"]


def test_the_key_does_not_depend_on_the_order_of_inputs() -> None:
    one = key_for("x", inputs={"a": "1", "b": "2"}, needs={})

    assert one == key_for("x", inputs={"b": "2", "a": "1"}, needs={})


def test_the_key_of_the_node_root_does_not_depend_on_the_mirror(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = keys_of([NodeRoot()])
    monkeypatch.setenv("LAB_DEBIAN_MIRROR", "http://mirror.test/debian")

    assert keys_of([NodeRoot()]) == before


def test_recipes_are_built_behind_what_they_need(recipe) -> None:
    ordered = in_order([recipe("c", needs=("b",)), recipe("b", needs=("a",)), recipe("a")])

    assert [each.name for each in ordered] == ["a", "b", "c"]


def test_a_need_that_is_not_there_is_told(recipe) -> None:
    with pytest.raises(ValueError, match="top"):
        in_order([recipe("top", needs=("base",))])


def test_the_kubernetes_version_is_the_one_its_module_requires() -> None:
    kubernetes = next(each for each in go_recipes() if each.name == "kubernetes")

    requirement = (kubernetes.module / "go.mod").read_text().partition("k8s.io/kubernetes ")[2]
    version = requirement.split()[0]
    assert f"-X k8s.io/component-base/version.gitVersion={version} " in kubernetes.ldflags()
    assert f"gitMinor={version.split('.')[1]} " in kubernetes.ldflags()


def test_every_recipe_of_a_kubeadm_cluster_has_a_key_of_its_own() -> None:
    keys = keys_of(kubeadm_recipes())

    assert len(set(keys.values())) == len(keys) == 8


def test_a_machine_that_no_node_can_be_built_for_is_named() -> None:
    with pytest.raises(HostUnfit, match="riscv64"):
        architecture("riscv64")
