import os
import threading
import time
from pathlib import Path

import pytest

from lab.artifacts import ensure, list_artifacts, missing, verify
from lab.artifacts.cache import builder_lock
from lab.artifacts.recipe import Artifact, Workshop
from lab.errors import ArtifactCorrupt, LabBusy
from lab.paths import Paths
from lab.progress import Silent


@pytest.fixture
def built(paths: Paths, recipe) -> Artifact:
    return ensure([recipe("a")], paths=paths, progress=Silent())["a"]


def program(artifact: Artifact) -> Path:
    return artifact.tree / "usr/local/bin" / artifact.name


def test_what_is_missing_is_built_and_then_found(paths: Paths, recipe) -> None:
    recipes = [recipe("a"), recipe("b", needs=("a",))]
    assert missing(recipes, paths) == ["a", "b"]

    artifacts = ensure(recipes, paths=paths, progress=Silent())

    assert missing(recipes, paths) == []
    assert program(artifacts["b"]).read_text() == "text"


def test_what_is_there_is_not_built_again(paths: Paths, recipe, built: Artifact) -> None:
    def fail(_: Workshop) -> None:
        raise AssertionError("built again")

    assert ensure([recipe("a", before=fail)], paths=paths, progress=Silent())["a"] == built


def test_a_build_gets_the_artifacts_it_needs(paths: Paths, recipe) -> None:
    seen = {}
    top = recipe("top", needs=("a",), before=lambda shop: seen.update(shop.needs))

    artifacts = ensure([recipe("a"), top], paths=paths, progress=Silent())

    assert seen == {"a": artifacts["a"]}


@pytest.mark.parametrize("thorough", [True, False])
def test_a_corrupted_file_is_refused_and_named(built: Artifact, thorough: bool) -> None:
    program(built).write_text("tampered")

    with pytest.raises(ArtifactCorrupt, match=r"bin/a is damaged: expected sha256:\w+, found sha"):
        verify(built, thorough=thorough)


@pytest.mark.parametrize("thorough", [True, False])
def test_a_truncated_file_is_refused_and_named(built: Artifact, thorough: bool) -> None:
    os.truncate(program(built), 1)

    with pytest.raises(ArtifactCorrupt, match="bin/a is damaged"):
        verify(built, thorough=thorough)


@pytest.mark.parametrize("thorough", [True, False])
def test_a_missing_file_is_refused_and_named(built: Artifact, thorough: bool) -> None:
    program(built).unlink()

    with pytest.raises(ArtifactCorrupt, match=r"bin/a is damaged: .*found no file"):
        verify(built, thorough=thorough)


def test_a_link_that_leads_elsewhere_is_refused_and_named(built: Artifact) -> None:
    link = program(built).with_name("a-link")
    link.unlink()
    link.symlink_to("/bin/sh")

    with pytest.raises(ArtifactCorrupt, match=r"a-link is damaged: .*found /bin/sh"):
        verify(built, thorough=False)


def test_only_a_thorough_look_sees_a_change_of_same_size_and_time(built: Artifact) -> None:
    times = program(built).stat()
    program(built).write_text("tex!")
    os.utime(program(built), ns=(times.st_atime_ns, times.st_mtime_ns))

    verify(built, thorough=False)
    with pytest.raises(ArtifactCorrupt):
        verify(built, thorough=True)


def test_a_touched_file_is_hashed_and_accepted(built: Artifact) -> None:
    os.utime(program(built), (0, 0))

    verify(built, thorough=False)


def test_a_damaged_manifest_is_refused_and_named(built: Artifact) -> None:
    (built.path / "manifest.json").write_text("{")

    with pytest.raises(ArtifactCorrupt, match=r"manifest\.json cannot be read"):
        verify(built, thorough=False)


def test_corruption_is_found_before_the_artifact_is_handed_out(
    paths: Paths, recipe, built: Artifact
) -> None:
    program(built).write_text("tampered")

    with pytest.raises(ArtifactCorrupt) as caught:
        ensure([recipe("a")], paths=paths, progress=Silent())
    assert caught.value.hint == "lab artifacts prune --corrupt"


def test_a_directory_without_a_manifest_is_built_again(
    paths: Paths, recipe, built: Artifact
) -> None:
    (built.path / "manifest.json").unlink()
    program(built).write_text("half")

    assert program(ensure([recipe("a")], paths=paths, progress=Silent())["a"]).read_text() == "text"


def test_a_half_built_directory_is_never_used(paths: Paths, recipe, built: Artifact) -> None:
    # A builder that was killed leaves this, manifest or not.
    partial = paths.cache / "partial" / built.path.name
    partial.parent.mkdir(exist_ok=True)
    built.path.rename(partial)
    (partial / "tree/usr/local/bin/a").write_text("half")

    artifact = ensure([recipe("a")], paths=paths, progress=Silent())["a"]

    assert program(artifact).read_text() == "text"
    assert not partial.exists()


def test_a_build_that_fails_leaves_nothing(paths: Paths, recipe) -> None:
    def fail(workshop: Workshop) -> None:
        (workshop.tree / "half").write_text("half")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        ensure([recipe("a", before=fail)], paths=paths, progress=Silent())
    assert not list_artifacts(paths)
    assert not (paths.cache / "partial").exists()


def test_what_was_built_before_a_failure_is_kept(paths: Paths, recipe) -> None:
    def fail(_: Workshop) -> None:
        raise RuntimeError("no")

    recipes = [recipe("a"), recipe("b", before=fail)]

    with pytest.raises(RuntimeError):
        ensure(recipes, paths=paths, progress=Silent())
    assert missing(recipes, paths) == ["b"]


def test_a_second_builder_waits_and_finds_the_result(paths: Paths, recipe) -> None:
    building, go_on = threading.Event(), threading.Event()

    def slow(_: Workshop) -> None:
        building.set()
        assert go_on.wait(10)

    def fail(_: Workshop) -> None:
        raise AssertionError("built twice")

    first = threading.Thread(
        target=ensure,
        args=([recipe("a", before=slow)],),
        kwargs={"paths": paths, "progress": Silent()},
    )
    first.start()
    assert building.wait(10)
    threading.Timer(0.1, go_on.set).start()
    progress = Silent()
    ensure([recipe("a", before=fail)], paths=paths, progress=progress)
    first.join()

    assert [title for title, _ in progress.finished] == [
        "Waiting for another command that builds artifacts"
    ]


def test_who_may_not_wait_is_told_that_the_cache_is_busy(paths: Paths) -> None:
    with builder_lock(paths, Silent()), pytest.raises(LabBusy), builder_lock(paths, None):
        pass


def test_a_listing_tells_size_and_age(paths: Paths, built: Artifact) -> None:
    (listed,) = list_artifacts(paths)

    assert (listed.artifact, listed.size) == (built, len("text"))
    assert time.time() - listed.built_at < 60


def test_an_empty_cache_lists_nothing(paths: Paths) -> None:
    assert list_artifacts(paths) == ()
