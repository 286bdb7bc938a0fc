"""Signals that end a process wait for what must not be cut short."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from lab.errors import Interrupted
from lab.scenario import interruption


def interrupt(number: int, _frame: object) -> None:
    raise Interrupted(signal.Signals(number).name)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """As in the command: both raise."""
    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_all_of_them_wait_and_the_first_is_raised_then() -> None:
    done: list[str] = []

    def remove() -> None:
        with interruption.held():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            done.append("removed")

    with pytest.raises(Interrupted, match="SIGINT"):
        remove()

    assert done == ["removed"]
    assert signal.getsignal(signal.SIGTERM) is interrupt


def test_one_that_comes_while_they_are_being_held_waits_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    install = signal.signal

    def slowly(number: int, handler: object) -> object:
        before = install(number, handler)  # type: ignore[arg-type]
        if number == signal.SIGINT and handler is not interrupt:
            os.kill(os.getpid(), signal.SIGTERM)
        return before

    monkeypatch.setattr(interruption.signal, "signal", slowly)  # type: ignore[attr-defined]

    with pytest.raises(Interrupted, match="SIGTERM"), interruption.held():
        done.append("removed")

    assert done == ["removed"]


def test_one_that_comes_while_they_are_being_let_go_finds_all_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install = signal.signal

    def slowly(number: int, handler: object) -> object:
        before = install(number, handler)  # type: ignore[arg-type]
        if number == signal.SIGINT and handler is interrupt:
            os.kill(os.getpid(), signal.SIGINT)
        return before

    monkeypatch.setattr(interruption.signal, "signal", slowly)  # type: ignore[attr-defined]

    with pytest.raises(Interrupted, match="SIGINT"), interruption.held():
        pass

    assert signal.getsignal(signal.SIGTERM) is interrupt


def test_in_another_thread_there_is_nothing_to_hold() -> None:
    done: list[str] = []

    def work() -> None:
        with interruption.held():
            done.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert done == ["done"]
