import multiprocessing
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabBusy
from lab.files import make_dir
from lab.lifecycle import lock
from lab.lifecycle.lock import exclusive
from lab.paths import Paths


def hold(paths: Paths, held: Event, release: Event) -> None:
    with exclusive(paths, "lab"):
        held.set()
        release.wait(10)


def test_a_second_command_is_refused_and_told_who_holds_the_lab(paths: Paths) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(paths, held, release))
    holder.start()
    held.wait(10)

    with pytest.raises(LabBusy, match=f"pid {holder.pid}"), exclusive(paths, "lab"):
        pass

    release.set()
    holder.join()


def test_the_lock_of_a_killed_command_is_free(paths: Paths) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(paths, held, release))
    holder.start()
    held.wait(10)

    holder.kill()
    holder.join()

    with exclusive(paths, "lab"):
        pass


def test_two_labs_do_not_wait_for_each_other(paths: Paths) -> None:
    with exclusive(paths, "one"), exclusive(paths, "two"):
        pass


def test_nothing_of_the_lock_is_left(paths: Paths) -> None:
    with exclusive(paths, "lab"):
        assert [file.name for file in paths.data.iterdir()] == [".lab.lock"]

    assert not paths.data.exists()


def test_a_lab_that_is_there_stays_when_a_command_ends(paths: Paths) -> None:
    with exclusive(paths, "lab"):
        paths.lab("lab").mkdir()

    assert [file.name for file in paths.data.iterdir()] == ["lab"]


def test_a_directory_that_another_command_has_just_removed_is_made_again(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def make_late(path: Path, **how: Any) -> None:
        if made:
            make_dir(path, **how)
        made.append(path)

    monkeypatch.setattr(lock, "make_dir", make_late)

    with exclusive(paths, "lab"):
        assert len(made) == 2


def test_the_lock_is_never_taken_through_a_link(paths: Paths, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("content")
    paths.data.mkdir()
    (paths.data / ".lab.lock").symlink_to(precious)

    with pytest.raises(OSError, match="symbolic links"), exclusive(paths, "lab"):
        pass

    assert precious.read_text() == "content"
