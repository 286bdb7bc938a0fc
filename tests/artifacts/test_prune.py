from pathlib import Path

import pytest

from lab.artifacts import Prune, ensure, list_artifacts, prune, verify
from lab.artifacts.layout import mounts_below
from lab.artifacts.recipe import Artifact
from lab.errors import LabBusy
from lab.paths import Paths
from lab.progress import Silent


@pytest.fixture
def both(paths: Paths, recipe) -> dict[str, Artifact]:
    return ensure([recipe("a"), recipe("b")], paths=paths, progress=Silent())


def left(paths: Paths) -> list[str]:
    return [each.artifact.name for each in list_artifacts(paths)]


def test_old_keys_go_and_current_ones_stay(paths: Paths, recipe, both) -> None:
    pruned = prune(paths, what=Prune.OLD, keep=(), recipes=[recipe("a"), recipe("b", "new")])

    assert pruned.removed == (both["b"].path.name,)
    assert left(paths) == ["a"]


def test_what_a_lab_uses_is_kept_and_told(paths: Paths, both) -> None:
    pruned = prune(paths, what=Prune.ALL, keep=[both["b"].tree], recipes=())

    assert pruned.kept == (both["b"].path.name,)
    assert left(paths) == ["b"]
    verify(both["b"], thorough=True)


def test_exactly_the_corrupt_ones_go(paths: Paths, recipe, both) -> None:
    (both["a"].tree / "usr/local/bin/a").write_text("tampered")

    prune(paths, what=Prune.CORRUPT, keep=(), recipes=())

    assert left(paths) == ["b"]
    ensure([recipe("a"), recipe("b")], paths=paths, progress=Silent())


def test_an_artifact_with_a_damaged_manifest_counts_as_corrupt(paths: Paths, both) -> None:
    (both["a"].path / "manifest.json").write_text("[]")

    prune(paths, what=Prune.CORRUPT, keep=(), recipes=())

    assert left(paths) == ["b"]


def test_build_caches_go_and_artifacts_stay(paths: Paths, both) -> None:
    cached = paths.cache / "build/gocache/object"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(bytes(1 << 20))

    pruned = prune(paths, what=Prune.BUILD, keep=(), recipes=())

    assert pruned.freed >= 1 << 20
    assert not (paths.cache / "build").exists()
    assert left(paths) == ["a", "b"]


def test_what_killed_builders_left_goes(paths: Paths, recipe, both) -> None:
    leftover = paths.cache / "partial/c-0123456789ab"
    leftover.mkdir(parents=True)

    prune(paths, what=Prune.OLD, keep=(), recipes=[recipe("a"), recipe("b")])

    assert not leftover.parent.exists()


def test_nothing_is_removed_while_somebody_builds(paths: Paths, recipe) -> None:
    def prune_now(_: object) -> None:
        prune(paths, what=Prune.ALL, keep=(), recipes=())

    with pytest.raises(LabBusy):
        ensure([recipe("a", before=prune_now)], paths=paths, progress=Silent())


def test_without_a_cache_there_is_nothing_to_prune(paths: Paths) -> None:
    assert prune(paths, what=Prune.ALL, keep=(), recipes=()).freed == 0
    assert not paths.cache.exists()


def test_a_mount_below_is_found_also_with_a_space_in_its_name() -> None:
    mountinfo = "1 0 8:1 / /a\\040b/tree/proc rw - proc proc rw\n2 0 8:1 / /a rw - ext4 x rw"

    assert mounts_below(Path("/a b"), mountinfo) == ["/a b/tree/proc"]
