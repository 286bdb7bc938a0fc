import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab.machines import processes
from lab.machines.processes import ProcessId


@contextmanager
def program(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            yield child
        finally:
            child.kill()


@contextmanager
def python(code: str, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start Python, and wait until `code` has printed a line."""
    with program(sys.executable, "-S", "-c", code, *argv) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child


DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("name", ["sleep", "a b", "a) S 1 (b", ")", "(", "x) R 2 3 4\n"])
def test_the_start_time_is_found_behind_any_process_name(name: str) -> None:
    rest = " ".join(["S", *(str(n) for n in range(4, 22)), "987654", "23", "24"])

    assert processes.parse_start_time(f"4321 ({name}) {rest}\n") == 987654


def test_a_real_process_with_a_hostile_name_is_identified() -> None:
    rename = "open('/proc/self/comm', 'w').write('x) S 1 (y')\nprint(flush=True)\ninput()"
    with program(sys.executable, "-S", "-c", rename) as child:
        assert child.stdout is not None
        before = processes.identify(child.pid)
        child.stdout.readline()

        assert processes.identify(child.pid) == before


def test_processes_started_one_after_the_other_have_rising_start_times() -> None:
    assert processes.identify(1).started <= processes.identify(os.getpid()).started


def test_an_identity_survives_being_written_down() -> None:
    process = processes.identify(os.getpid())

    assert ProcessId.from_dict(process.to_dict()) == process


def test_identifying_a_process_that_is_gone_is_a_lookup_error() -> None:
    with program("true") as child:
        child.wait()

        with pytest.raises(ProcessLookupError):
            processes.identify(child.pid)


def test_a_running_process_is_alive() -> None:
    with program("sleep", "60") as child:
        assert processes.is_alive(processes.identify(child.pid))


def test_a_zombie_is_not_alive() -> None:
    with program("sleep", "60") as child:
        process = processes.identify(child.pid)
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

        assert not processes.is_alive(process)


def test_a_pid_used_by_a_later_process_is_not_the_recorded_process() -> None:
    with program("sleep", "60") as child:
        recorded = replace(processes.identify(child.pid), started=1)

        assert not processes.is_alive(recorded)


def test_after_a_reboot_nothing_recorded_is_trusted() -> None:
    recorded = replace(processes.identify(os.getpid()), boot_id=str(uuid.uuid4()))

    assert not processes.is_alive(recorded)


def test_a_signal_does_not_reach_a_process_that_inherited_the_pid() -> None:
    with program("sleep", "60") as child:
        recorded = replace(processes.identify(child.pid), started=1)

        processes.send(recorded, signal.SIGKILL)
        processes.terminate(recorded, grace_s=0)

        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.05)


def test_a_pid_that_became_the_id_of_a_thread_counts_as_gone() -> None:
    code = "import threading; threading.Thread(target=input).start(); print(flush=True)"
    with program(sys.executable, "-S", "-c", code) as child:
        assert child.stdout is not None
        child.stdout.readline()
        threads = {int(path.name) for path in Path(f"/proc/{child.pid}/task").iterdir()}
        (thread,) = threads - {child.pid}

        assert not processes.is_alive(processes.identify(thread))


def test_a_signal_reaches_the_recorded_process() -> None:
    with program("sleep", "60") as child:
        processes.send(processes.identify(child.pid), signal.SIGUSR1)

        assert child.wait(5) == -signal.SIGUSR1


def test_a_signal_to_a_process_that_is_gone_does_nothing() -> None:
    with program("sleep", "60") as child:
        process = processes.identify(child.pid)
        child.kill()
        child.wait()

        processes.send(process, signal.SIGTERM)


def test_waiting_for_a_process_that_stays_ends_at_the_bound() -> None:
    began = time.monotonic()

    assert not processes.wait_gone(processes.identify(os.getpid()), timeout_s=0.05)
    assert 0.05 <= time.monotonic() - began < 2


def test_waiting_ends_when_the_process_does() -> None:
    with program("sleep", "0.05") as child:
        assert processes.wait_gone(processes.identify(child.pid), timeout_s=10)


def test_a_process_that_listens_to_sigterm_is_not_killed() -> None:
    with program("sleep", "60") as child:
        processes.terminate(processes.identify(child.pid), grace_s=10)

        assert child.wait(5) == -signal.SIGTERM


def test_a_process_deaf_to_sigterm_is_killed_after_the_grace() -> None:
    with python(DEAF) as child:
        processes.terminate(processes.identify(child.pid), grace_s=0.05)

        assert child.wait(5) == -signal.SIGKILL


def test_children_are_the_direct_ones_only() -> None:
    grandchild = "import subprocess; subprocess.Popen(['sleep', '1']); print(flush=True); input()"
    with python(grandchild) as child:
        assert child.pid in processes.children(os.getpid())
        (only,) = processes.children(child.pid)
        assert only not in processes.children(os.getpid())
        os.kill(only, signal.SIGKILL)


def test_a_process_that_is_gone_has_no_children() -> None:
    with program("true") as child:
        child.wait()

        assert processes.children(child.pid) == []


def test_a_process_is_found_by_one_whole_argument() -> None:
    mark = f"--label=found-{os.getpid()}"
    with python("print(flush=True); input()", mark) as child:
        assert processes.find_by_argument(mark) == [processes.identify(child.pid)]


def test_a_part_of_an_argument_finds_nothing() -> None:
    mark = f"--label=part-{os.getpid()}"
    with python("print(flush=True); input()", mark):
        assert processes.find_by_argument(mark[:-1]) == []


def test_the_searching_process_does_not_find_itself() -> None:
    own = Path("/proc/self/cmdline").read_text().split("\0")[0]

    assert os.getpid() not in [process.pid for process in processes.find_by_argument(own)]
