from pathlib import Path

import pytest

from lab.artifacts import ensure
from lab.artifacts.k3s import K3sChoice
from lab.artifacts.k3s_lock import Lock, binary_file, checksums_file, images_file
from lab.artifacts.k3s_source import Directory, Release, mirror
from lab.artifacts.recipe import architecture
from lab.errors import ArtifactError, InvalidValue
from lab.lifecycle import record
from lab.lifecycle.choice import choose_for
from lab.paths import Paths
from lab.progress import Silent
from tests.artifacts.k3s_release import VERSION, make_release
from tests.lifecycle.test_record import make

NOWHERE = K3sChoice(Lock(VERSION, {}))


@pytest.fixture(autouse=True)
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody at the release's home, as on a host without a way out."""
    monkeypatch.setattr(
        Release, "trouble", lambda release, within_s: "https://there does not answer"
    )


def chosen(paths: Paths, asked: str | None, k3s: K3sChoice = NOWHERE, *, ci: bool = False) -> str:
    return choose_for(paths, "lab", asked, k3s, ci=ci).distribution.name


def test_k3s_is_taken_where_its_release_answers(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Release, "trouble", lambda release, within_s: "")

    assert chosen(paths, None) == "k3s"


def test_k3s_is_taken_from_a_directory(paths: Paths, tmp_path: Path) -> None:
    source = Directory(make_release(tmp_path / "release"))

    assert chosen(paths, None, K3sChoice(NOWHERE.lock, source)) == "k3s"


def test_a_directory_that_is_named_and_holds_no_release_is_told_and_kubeadm_is_not_taken(
    paths: Paths, tmp_path: Path
) -> None:
    source = Directory(make_release(tmp_path / "release"))
    (source.path / "k3s").unlink()

    with pytest.raises(ArtifactError, match=f"there is no k3s in {source.path}"):
        chosen(paths, None, K3sChoice(NOWHERE.lock, source))


def test_a_mirror_that_is_named_and_does_not_answer_is_told_and_kubeadm_is_not_taken(
    paths: Paths,
) -> None:
    nobody = mirror("http://127.0.0.1:9", VERSION)

    with pytest.raises(ArtifactError, match=r"http://127\.0\.0\.1:9/.* cannot be had"):
        chosen(paths, None, K3sChoice(NOWHERE.lock, nobody))


def test_a_list_of_checksums_is_not_asked_for_where_the_lock_knows_them(
    paths: Paths, tmp_path: Path
) -> None:
    source = Directory(make_release(tmp_path / "release"))
    (source.path / checksums_file(architecture())).unlink()
    known = dict.fromkeys((binary_file(architecture()), images_file(architecture())), "0" * 64)

    assert chosen(paths, None, K3sChoice(Lock(VERSION, known), source)) == "k3s"


def test_a_place_of_k3s_is_not_passed_over_where_kubeadm_is_asked_for(
    paths: Paths, tmp_path: Path
) -> None:
    with pytest.raises(InvalidValue, match=f"{tmp_path} is a place of k3s"):
        chosen(paths, "kubeadm", K3sChoice(NOWHERE.lock, Directory(tmp_path)))


def test_k3s_is_taken_where_it_is_in_the_cache(paths: Paths, tmp_path: Path) -> None:
    source = Directory(make_release(tmp_path / "release"))
    ensure((K3sChoice(NOWHERE.lock, source).recipe(),), paths=paths, progress=Silent())

    assert chosen(paths, None) == "k3s"


def test_kubeadm_is_taken_otherwise_with_the_reason_in_a_line(paths: Paths) -> None:
    found = choose_for(paths, "lab", None, NOWHERE, ci=False)

    assert found.distribution.name == "kubeadm"
    assert found.note.startswith("kubeadm and not k3s: https://there does not answer, and no")
    assert "\n" not in found.note


def test_who_insists_on_k3s_is_told_where_it_was_looked_for_and_what_else_there_is(
    paths: Paths,
) -> None:
    with pytest.raises(
        ArtifactError, match="https://there does not answer, and no k3s is in the cache"
    ) as caught:
        chosen(paths, "k3s")

    assert caught.value.exit_code == 4
    assert "--k3s-dir DIR" in str(caught.value.hint)


def test_in_ci_nothing_else_is_taken_without_being_asked_for(paths: Paths) -> None:
    with pytest.raises(ArtifactError, match="CI=true"):
        chosen(paths, None, ci=True)
    assert chosen(paths, "kubeadm", ci=True) == "kubeadm"


def test_a_lab_keeps_what_it_was_made_with(paths: Paths) -> None:
    paths.lab("lab").mkdir(parents=True)
    record.save(paths, make())

    assert chosen(paths, None, ci=True) == "kubeadm"
    with pytest.raises(InvalidValue, match="is made with kubeadm, and --distribution is 'k3s'"):
        chosen(paths, "k3s")


def test_a_distribution_that_nobody_knows_is_refused_with_those_that_are(paths: Paths) -> None:
    with pytest.raises(InvalidValue, match="'rke2', but lab knows only k3s, kubeadm"):
        chosen(paths, "rke2")
