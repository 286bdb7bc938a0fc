import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.machines import processes, supervisor
from lab.machines.processes import ProcessId

# The supervisor forks and blocks signals, so it gets a process of its own. Each worker
# says its pid; the wish to go on is an argument.
PROGRAM = """
import os, sys, time
from lab.machines import supervisor
supervisor.LOOK_EVERY_S = 0.05

def work():
    print(os.getpid(), flush=True)
    {work}

supervisor.supervise(work, wanted=lambda: not os.path.exists(sys.argv[1]))
"""


@contextmanager
def supervised(
    end_file: str = "/nonexistent", work: str = "time.sleep(60)"
) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", PROGRAM.format(work=work), end_file]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def next_worker(child: subprocess.Popen[str]) -> ProcessId:
    assert child.stdout is not None
    return processes.identify(int(child.stdout.readline()))


def test_a_killed_worker_is_replaced() -> None:
    with supervised() as child:
        first = next_worker(child)
        processes.send(first, signal.SIGKILL)
        second = next_worker(child)

        assert second.pid != first.pid
        assert processes.children(child.pid) == [second.pid]


def test_a_worker_that_fails_is_replaced_and_its_error_told() -> None:
    with supervised(work="1 / 0") as child:
        assert child.stdout is not None
        pids = {child.stdout.readline() for _ in range(3)}
        child.terminate()

        assert len(pids) == 3
        assert child.stderr is not None
        told = child.stderr.read()
        assert "ZeroDivisionError" in told
        assert re.search(r"worker ended after \d\.\d s with 1, next in 0\.1 s", told)


def test_told_to_end_it_ends_quietly_and_takes_the_worker_along() -> None:
    with supervised() as child:
        worker = next_worker(child)
        child.terminate()

        assert child.wait(5) == 0
        assert not processes.is_alive(worker)
        assert child.stderr is not None
        assert child.stderr.read() == ""


def test_the_worker_dies_with_a_killed_supervisor() -> None:
    with supervised() as child:
        worker = next_worker(child)
        child.kill()

        assert processes.wait_gone(worker, timeout_s=5)


def test_it_ends_when_it_is_no_longer_wanted(tmp_path: object) -> None:
    end_file = f"{tmp_path}/end"
    with supervised(end_file) as child:
        worker = next_worker(child)
        os.mknod(end_file)

        assert child.wait(5) == 0
        assert not processes.is_alive(worker)


def test_the_worker_can_be_told_to_end_by_itself() -> None:
    with supervised() as child:
        first = next_worker(child)
        processes.send(first, signal.SIGTERM)

        assert next_worker(child).pid != first.pid


def test_a_worker_that_keeps_failing_is_started_less_and_less_often() -> None:
    pauses = [supervisor.RESTART_FIRST_S]
    for _ in range(9):
        pauses.append(supervisor.next_pause(pauses[-1], lived_s=0.1))

    assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0])


def test_a_worker_that_lived_long_is_replaced_at_once() -> None:
    assert supervisor.next_pause(5.0, lived_s=60) == supervisor.RESTART_FIRST_S
