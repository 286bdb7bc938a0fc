import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lab.artifacts import bytecode, servicecode, serviceimages
from lab.artifacts.kubeadm import kubeadm_recipes
from lab.artifacts.recipe import Artifact, Workshop, keys_of
from lab.artifacts.serviceimages import RELEASES, image_ids, service_recipes
from lab.errors import BuildFailed
from lab.paths import Paths
from lab.progress import Silent

RECIPES = {recipe.name: recipe for recipe in service_recipes()}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The packages of lab, as small as they can be."""
    root = tmp_path / "lab"
    for name in (
        "__init__.py",
        "chirps/__init__.py",
        "chirps/migrations/base/00001_users.sql",
        "chirps/releases/__init__.py",
        "chirps/releases/v1.py",
        "chirps/releases/v2.py",
        "chirps/releases/v2_lang.py",
        "chirps/releases/v2_naive.py",
        "chirps/releases/v3.py",
        "goose/__init__.py",
        "observer/__init__.py",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"# {name}\n")
    monkeypatch.setattr(servicecode, "LAB", root)
    return root


@pytest.fixture
def without_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytecode that is the name of its source, since there is no interpreter to compile with."""

    def compile_tree(tree: Path, directory: str, **_: object) -> None:
        for path in sorted((tree / directory).rglob("*.py")):
            compiled = path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc"
            compiled.parent.mkdir(exist_ok=True)
            compiled.write_text(path.name)

    monkeypatch.setattr(bytecode, "compile_tree", compile_tree)


@pytest.fixture
def build(
    paths: Paths, tmp_path: Path, source: Path, without_compiler: None
) -> Callable[[str], Mapping[str, Artifact]]:
    """Build one archive, on stand-ins for what it needs."""

    def build(name: str) -> Mapping[str, Artifact]:
        needs = {need: Artifact(need, "", tmp_path / need) for need in RECIPES[name].needs}
        for need, artifact in needs.items():
            (artifact.tree / "usr").mkdir(parents=True)
            (artifact.tree / "usr" / need).touch()
        built = Artifact(name, "", tmp_path / name)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        RECIPES[name].build(Workshop(paths, Silent(), built.tree, scratch, needs))
        return {**needs, name: built}

    return build


def archive_of(artifacts: Mapping[str, Artifact], name: str) -> tarfile.TarFile:
    directory = artifacts[f"{name}-images"].tree / serviceimages.DIRECTORY
    return tarfile.open(directory / f"{name}.tar")


def read_json(tar: tarfile.TarFile, name: str):
    file = tar.extractfile(name)
    assert file is not None
    return json.load(file)


def entries_of(tar: tarfile.TarFile) -> dict[str, dict]:
    return {entry["RepoTags"][0]: entry for entry in read_json(tar, "manifest.json")}


def files_in(tar: tarfile.TarFile, layer: str) -> set[str]:
    with tarfile.open(fileobj=tar.extractfile(layer)) as inner:
        return {each.name for each in inner if each.isfile()}


def test_every_release_is_an_image_that_names_its_code_and_itself(build) -> None:
    with archive_of(build("chirps-images"), "chirps") as tar:
        entries = entries_of(tar)
        configs = {tag: read_json(tar, entry["Config"])["config"] for tag, entry in entries.items()}

    assert configs.keys() == {f"lab.local/chirps:{release}" for release in RELEASES}
    variables = {tag: dict(e.split("=", 1) for e in c["Env"]) for tag, c in configs.items()}
    assert {
        tag: (each["CHIRPS_RELEASE"], each["CHIRPS_CODE"]) for tag, each in variables.items()
    } == {
        "lab.local/chirps:v1": ("v1", "v1"),
        "lab.local/chirps:v1b": ("v1b", "v1"),
        "lab.local/chirps:v2-naive": ("v2-naive", "v2_naive"),
        "lab.local/chirps:v2-lang": ("v2-lang", "v2_lang"),
        "lab.local/chirps:v2": ("v2", "v2"),
        "lab.local/chirps:v3": ("v3", "v3"),
    }
    assert {config["User"] for config in configs.values()} == {"1000:1000"}
    assert {tuple(config["Entrypoint"]) for config in configs.values()} == {
        ("python3", "-m", "lab.chirps")
    }


def test_a_release_holds_its_own_module_and_no_other(build) -> None:
    with archive_of(build("chirps-images"), "chirps") as tar:
        entries = entries_of(tar)
        files = {
            tag: set().union(*(files_in(tar, layer) for layer in entry["Layers"]))
            for tag, entry in entries.items()
        }

    folder = "opt/lab/lab/chirps/releases/"
    for release, module in RELEASES.items():
        inside = {
            path.removeprefix(folder)
            for path in files[f"lab.local/chirps:{release}"]
            if path.startswith(folder)
        }
        assert inside == {
            "__init__.py",
            f"{module}.py",
            "__pycache__/__init__.cpython-311.pyc",
            f"__pycache__/{module}.cpython-311.pyc",
        }


def test_releases_share_all_layers_but_the_highest(build) -> None:
    with archive_of(build("chirps-images"), "chirps") as tar:
        layers = {tag: entry["Layers"] for tag, entry in entries_of(tar).items()}

    assert len({tuple(each[:-1]) for each in layers.values()}) == 1
    own = {tag.rpartition(":")[2]: each[-1] for tag, each in layers.items()}
    assert own["v1"] == own["v1b"]
    assert len({*own.values()}) == len({*RELEASES.values()})


def test_two_names_of_one_code_are_two_images(build) -> None:
    ids = image_ids(build("chirps-images"))["chirps.tar"]

    assert len({*ids.values()}) == len(ids) == len(RELEASES)


def test_migrations_travel_with_the_code(build) -> None:
    with archive_of(build("chirps-images"), "chirps") as tar:
        entry = entries_of(tar)["lab.local/chirps:v1"]
        files = set().union(*(files_in(tar, layer) for layer in entry["Layers"]))

    assert "opt/lab/lab/chirps/migrations/base/00001_users.sql" in files
    assert {"opt/lab/lab/__init__.py", "opt/lab/lab/goose/__init__.py"} <= files
    assert "usr/local/bin/chirps" in files
    assert not [path for path in files if "observer" in path]


def test_the_observer_holds_nothing_of_the_service(build) -> None:
    with archive_of(build("observer-images"), "observer") as tar:
        (entry,) = entries_of(tar).values()
        files = set().union(*(files_in(tar, layer) for layer in entry["Layers"]))

    assert "opt/lab/lab/observer/__init__.py" in files
    assert not [path for path in files if "/chirps" in path or "/goose" in path]


def test_the_database_stops_fast_and_starts_as_root(build) -> None:
    with archive_of(build("postgres-images"), "postgres") as tar:
        (entry,) = entries_of(tar).values()
        config = read_json(tar, entry["Config"])["config"]
        files = set().union(*(files_in(tar, layer) for layer in entry["Layers"]))

    assert config["StopSignal"] == "SIGINT"
    assert "User" not in config
    assert config["Entrypoint"][-1].removeprefix("/") in files
    assert f"PGDATA={serviceimages.POSTGRES_DATA}" in config["Env"]


def test_the_ids_beside_an_archive_are_those_in_it(build) -> None:
    artifacts = build("chirps-images")
    with archive_of(artifacts, "chirps") as tar:
        configs = {tag: entry["Config"] for tag, entry in entries_of(tar).items()}

    ids = image_ids(artifacts)["chirps.tar"]
    assert {tag: f"{each.removeprefix('sha256:')}.json" for tag, each in ids.items()} == configs


def test_a_missing_release_module_is_named(build, source: Path) -> None:
    (source / "chirps/releases/v2_naive.py").unlink()

    with pytest.raises(BuildFailed, match="'v2_naive'"):
        build("chirps-images")


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("chirps/releases/v1.py", {"chirps-images"}),
        ("chirps/migrations/base/00001_users.sql", {"chirps-images"}),
        ("goose/__init__.py", {"chirps-images"}),
        ("observer/__init__.py", {"observer-images"}),
        ("__init__.py", {"chirps-images", "observer-images"}),
    ],
)
def test_a_changed_file_changes_only_the_archives_that_hold_it(
    source: Path, file: str, changed: set[str]
) -> None:
    before = keys_of(RECIPES.values())
    (source / file).write_text("changed\n")
    after = keys_of(RECIPES.values())

    assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize("file", ["chirps/new.py", "chirps/migrations/base/00002_new.sql"])
def test_a_new_file_changes_the_key(source: Path, file: str) -> None:
    before = keys_of(RECIPES.values())["chirps-images"]
    (source / file).touch()

    assert keys_of(RECIPES.values())["chirps-images"] != before


def test_bytecode_of_the_source_does_not_change_the_key(source: Path) -> None:
    before = keys_of(RECIPES.values())
    (source / "chirps/__pycache__").mkdir()
    (source / "chirps/__pycache__/__init__.cpython-312.pyc").write_bytes(b"\xff")

    assert keys_of(RECIPES.values()) == before


def test_a_renamed_file_changes_the_key(source: Path) -> None:
    before = keys_of(RECIPES.values())["chirps-images"]
    (source / "chirps/releases/v1.py").rename(source / "chirps/releases/v9.py")

    assert keys_of(RECIPES.values())["chirps-images"] != before


def test_no_two_recipes_have_one_name() -> None:
    names = [each.name for each in (*kubeadm_recipes(), *service_recipes())]

    assert len(names) == len(set(names))
    assert len({*keys_of((*kubeadm_recipes(), *service_recipes())).values()}) == len(names)


def test_every_release_module_of_the_table_is_there() -> None:
    modules = {path.stem for path in (servicecode.LAB / "chirps/releases").glob("*.py")}

    assert {*RELEASES.values()} == modules - {"__init__"}
