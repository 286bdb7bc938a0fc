import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.artifacts import gobuild, noderoot, process
from lab.artifacts.counter import Counter
from lab.artifacts.process import Command, require_success, run
from lab.errors import BuildFailed, NoSpace, ToolMissing
from lab.paths import Caller, Paths

GROUP = "sleep 100 & sleep 100 & echo $$ $!; wait"


def shell(script: str, cwd: Path, caller: Caller) -> Command:
    return Command(("sh", "-c", script), cwd=cwd, owner=caller, variables={"WORD": "a b"})


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_ended(*pids: int) -> None:
    deadline = time.monotonic() + 10
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline, f"still running: {pids}"
        time.sleep(0.01)


def test_each_line_is_seen_and_the_status_told(tmp_path: Path, caller: Caller) -> None:
    command = shell('echo "$WORD"; echo error >&2; exit 3', tmp_path, caller)

    ended = run(command)

    assert (ended.status, ended.tail) == (3, ("a b", "error"))


def test_progress_does_not_hide_what_went_wrong(tmp_path: Path, caller: Caller) -> None:
    command = shell("echo wrong; seq 100; exit 3", tmp_path, caller)

    ended = run(command, is_progress=str.isdecimal)

    assert ended.tail == ("wrong",)


def test_a_failure_shows_command_status_and_output(paths: Paths, tmp_path: Path) -> None:
    command = shell("seq 100; exit 3", tmp_path, paths.caller)

    with pytest.raises(BuildFailed) as caught:
        require_success(command, run(command), what="the thing", paths=paths)
    lines = caught.value.message.splitlines()
    assert lines[0] == "the thing could not be built: exit status 3 of"
    assert lines[1] == f"  (cd {tmp_path} && WORD='a b' sh -c 'seq 100; exit 3')"
    assert lines[2:] == [f"  {number}" for number in range(81, 101)]


def test_a_failure_for_lack_of_space_says_where(paths: Paths, tmp_path: Path) -> None:
    command = shell("echo write: No space left on device; exit 1", tmp_path, paths.caller)

    with pytest.raises(NoSpace, match=str(paths.cache)):
        require_success(command, run(command), what="the thing", paths=paths)


def test_leaving_early_ends_all_that_was_started(tmp_path: Path, caller: Caller) -> None:
    seen: list[int] = []

    def interrupt(line: str) -> bool:
        seen.extend(map(int, line.split()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(shell(GROUP, tmp_path, caller), is_progress=interrupt)

    assert len(seen) == 2
    wait_until_ended(*seen)


def test_a_killed_lab_leaves_nothing_running(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, lab.artifacts.process as p, lab.paths as q\n"
        f"c = p.Command(('sh', '-c', {GROUP!r}), pathlib.Path('/'), q.find_caller(), {{}})\n"
        "p.run(c, is_progress=lambda line: print(line, flush=True))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    ) as lab:
        assert lab.stdout is not None
        pids = [int(word) for word in lab.stdout.readline().split()]
        lab.send_signal(signal.SIGKILL)

    assert len(pids) == 2
    wait_until_ended(*pids)


def test_a_program_reads_the_settings_of_its_owner() -> None:
    owner = Caller(os.geteuid(), os.getegid(), Path("/home/of/owner"))

    found = process.environment(owner, {"GOWORK": "off"}, environ={"HOME": "/root", "GOPROXY": "x"})

    assert (found["HOME"], found["GOPROXY"], found["GOWORK"]) == ("/home/of/owner", "x", "off")


def test_a_missing_tool_comes_with_its_package() -> None:
    with pytest.raises(ToolMissing) as caught:
        process.require_tool(None, "mmdebstrap", package="mmdebstrap")
    assert caught.value.hint == "apt install mmdebstrap"


def test_what_is_built_does_not_depend_on_the_umask(tmp_path: Path, caller: Caller) -> None:
    before = os.umask(0o077)
    try:
        run(shell("touch built", tmp_path, caller))
    finally:
        os.umask(before)

    assert (tmp_path / "built").stat().st_mode & 0o777 == 0o644


class Recorder:
    def __init__(self) -> None:
        self.calls: list[tuple[int, int, str]] = []

    def advance(self, done: int, total: int, detail: str = "") -> None:
        self.calls.append((done, total, detail))


def test_lines_of_a_kind_are_counted_and_the_total_never_lags() -> None:
    recorder = Recorder()
    counter = Counter(recorder, 1, noderoot.INSTALLED)

    seen = [counter.see(line) for line in ("Setting up a (1) ...", "noise", "Unpacking b (2) ...")]

    assert seen == [True, False, True]
    assert recorder.calls == [(1, 1, "a"), (2, 2, "b")]


@pytest.mark.parametrize("line", ["k8s.io/api/apps/v1", "golang.org/x/sys/unix", "net"])
def test_a_line_of_a_package_alone_is_a_compiled_one(line: str) -> None:
    assert gobuild.COMPILED.match(line)


@pytest.mark.parametrize("line", ["# lab.invalid/x", "./main.go:3:1: undefined: y", "go: error"])
def test_what_the_compiler_complains_about_is_not_a_compiled_one(line: str) -> None:
    assert not gobuild.COMPILED.match(line)
