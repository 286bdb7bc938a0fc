"""Whatever kills lab at whichever step: what was changed on the host can be taken back."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import NoSpace
from lab.journal import Change, Journal
from lab.paths import Caller

OWNER = Caller(os.geteuid(), os.getegid(), Path("/"))
# What `lab up` changes, in its order; each stands on those before it.
STEPS = (
    ("sysctls", "abcd"),
    ("network", "abcd"),
    ("machine", "n1"),
    ("machine", "n2"),
    ("forwarder", "abcd"),
)
CALLS = ("open", "write", "fsync", "close")


class Killed(BaseException):
    """The process is gone: no handler of lab's may be needed to stay consistent."""


def make(path: Path, *, boot_id: str = "boot-1") -> Journal:
    return Journal(path, owner=OWNER, boot_id=boot_id)


@contextmanager
def dying_at(call: str, number: int, *, after: bool) -> Iterator[None]:
    """Kill whoever makes the `number`th such system call, before it or after it."""
    real, made = getattr(os, call), 0

    def die(*arguments: object, **options: object) -> object:
        nonlocal made
        made += 1
        if made == number and not after:
            raise Killed
        result = real(*arguments, **options)
        if made == number:
            raise Killed
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"lab.journal.os.{call}", die)
        with suppress(Killed):
            yield


def bring_up(journal: Journal, host: set[tuple[str, str]]) -> None:
    for step in STEPS:
        journal.intend_once(*step)
        host.add(step)


def take_down(journal: Journal, host: set[tuple[str, str]]) -> list[tuple[str, str]]:
    undone = []
    for change in journal.open_changes():
        step = (change.kind, change.what)
        host.discard(step)
        undone.append(step)
        journal.undone(change)
    return undone


CRASHES = [
    pytest.param(call, number, after, id=f"{'after' if after else 'before'} {call} {number}")
    for call in CALLS
    for number in range(1, 2 * len(STEPS) + 1)
    for after in (False, True)
]


@pytest.mark.parametrize(("call", "number", "after"), CRASHES)
def test_nothing_is_ever_changed_that_the_journal_does_not_hold(
    tmp_path: Path, call: str, number: int, after: bool
) -> None:
    journal, host = make(tmp_path / "journal"), set[tuple[str, str]]()

    with dying_at(call, number, after=after):
        bring_up(journal, host)
        take_down(journal, host)

    known = {(change.kind, change.what) for change in make(tmp_path / "journal").open_changes()}
    assert host <= known


@pytest.mark.parametrize(("call", "number", "after"), CRASHES)
def test_after_a_crash_at_any_step_up_goes_on_and_down_leaves_nothing(
    tmp_path: Path, call: str, number: int, after: bool
) -> None:
    host: set[tuple[str, str]] = set()
    with dying_at(call, number, after=after):
        bring_up(make(tmp_path / "journal"), host)
        take_down(make(tmp_path / "journal"), host)

    bring_up(make(tmp_path / "journal"), host)
    undone = take_down(make(tmp_path / "journal"), host)

    assert host == set()
    assert make(tmp_path / "journal").open_changes() == []
    # Once each, and what stands on another goes before it.
    assert sorted(set(undone), key=STEPS.index) == list(STEPS)
    assert undone == sorted(undone, key=STEPS.index, reverse=True)


LINES = st.lists(st.integers(0, len(STEPS) - 1) | st.none(), max_size=12)


def write_history(path: Path, plan: list[int | None]) -> list[list[Change]]:
    """Intend each step of `plan`, None undoing the newest; return what is open after each line."""
    journal, states = make(path), [list[Change]()]
    for step in plan:
        opened = states[-1]
        if step is not None:
            states.append([journal.intend(*STEPS[step]), *opened])
        elif opened:
            journal.undone(opened[0])
            states.append(opened[1:])
    return states


@settings(deadline=None, max_examples=60)
@given(plan=LINES, data=st.data())
def test_any_beginning_of_the_file_says_what_was_open_then_newest_first(
    tmp_path_factory: pytest.TempPathFactory, plan: list[int | None], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    states = write_history(path, plan)
    content = path.read_bytes() if path.exists() else b""
    kept = content[: data.draw(st.integers(0, len(content)))]

    path.write_bytes(kept)

    assert make(path).open_changes() == states[kept.count(b"\n")]


def fail_with(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_change_that_cannot_be_noted_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise fail_with(errno.ENOSPC)

    monkeypatch.setattr(f"lab.journal.os.{call}", fail)

    with pytest.raises(NoSpace, match=r"no space left for .*/journal"):
        make(tmp_path / "journal").intend("network", "abcd")


def test_a_line_that_found_no_room_does_not_spoil_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, real = make(tmp_path / "journal"), os.write
    journal.intend("sysctls", "abcd")
    with monkeypatch.context() as patch:
        patch.setattr("lab.journal.os.write", lambda fd, line: real(fd, line[:9]))
        with pytest.raises(NoSpace):
            journal.intend("network", "lost")

    journal.intend("network", "abcd")

    assert [change.what for change in journal.open_changes()] == ["abcd", "abcd"]
