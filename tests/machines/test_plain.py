import os
from pathlib import Path

from lab.machines import plain, processes


def spawn(tmp_path: Path, script: str) -> str:
    """Run `script` detached; return what it wrote to its console when it has ended."""
    console = tmp_path / "console.log"
    process = plain.spawn(["sh", "-c", script], console=console, environment={"WORD": "told"})
    os.waitpid(process.pid, 0)
    return console.read_text()


def test_a_node_inherits_no_descriptor_of_its_caller(tmp_path: Path) -> None:
    held = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(held, True)
    try:
        said = spawn(tmp_path, 'for fd in /proc/$$/fd/*; do readlink "$fd"; done')
    finally:
        os.close(held)

    assert str(tmp_path / "console.log") in said.splitlines()
    assert str(tmp_path) not in said.splitlines()


def test_a_node_leads_a_session_of_its_own(tmp_path: Path) -> None:
    said = spawn(tmp_path, "cut -d' ' -f1,6 /proc/$$/stat; echo $WORD").splitlines()

    pid, session = said[0].split()
    assert pid == session != str(os.getsid(0))
    assert said[1] == "told"


def test_only_its_owner_reads_a_console(tmp_path: Path) -> None:
    spawn(tmp_path, "true")

    assert (tmp_path / "console.log").stat().st_mode & 0o777 == 0o600


def test_what_was_spawned_is_found_again(tmp_path: Path) -> None:
    process = plain.spawn(["sleep", "30"], console=tmp_path / "console.log", environment={})

    assert processes.is_alive(process)
    processes.terminate(process, grace_s=5)
    os.waitpid(process.pid, 0)
    assert not processes.is_alive(process)
