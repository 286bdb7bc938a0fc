"""A process that is no child: known by its descriptor, or by its number and one more sign."""

import os
import subprocess
import sys

import pytest

from lab.postgres.handle import Handle


@pytest.fixture(params=["descriptor", "number"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "number":
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    elif not hasattr(os, "pidfd_open"):
        pytest.skip("this kernel has no descriptors for processes")
    return str(request.param)


def sleeping() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


def test_a_process_is_there_until_it_is_killed(kind: str) -> None:
    with sleeping() as process:
        handle = Handle(process.pid, is_it=lambda: process.returncode is None)
        assert not handle.wait(0)

        handle.kill()
        process.wait(40)

        assert handle.wait(0)
        handle.kill()
        handle.close()


def test_a_process_that_is_gone_cannot_be_held(kind: str) -> None:
    with sleeping() as process:
        process.kill()
    with pytest.raises(ProcessLookupError):
        Handle(process.pid, is_it=lambda: True)


def test_whoever_got_the_number_of_one_that_ended_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    with sleeping() as process:
        handle = Handle(process.pid, is_it=lambda: False)

        assert handle.wait(0)
        handle.kill()

        assert process.poll() is None
        process.kill()
