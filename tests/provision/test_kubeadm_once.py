"""The script that runs kubeadm on a node exactly once, with a kubeadm that only tells."""

import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.provision import kubeadm_phases

TEMPLATE = Path(kubeadm_phases.__file__).parent / "templates/kubeadm-once.sh.j2"
TOKEN = "abcdef.0123456789abcdef"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return the script, run with the node's directories below `tmp_path`."""
    script = TEMPLATE.read_text()
    for place in ("/run/lab", "/var/lib/lab", "/var/lib/etcd", "/var/log", "/etc/kubernetes"):
        script = script.replace(place, f"{tmp_path}{place}")
    (tmp_path / "var/log").mkdir(parents=True)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("kubeadm", "systemctl"):
        (programs / name).write_text(
            f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n'
            f'echo "Using token: {TOKEN}"; echo "to stderr" >&2; exit "${{STATUS:-0}}"\n'
        )
        (programs / name).chmod(0o755)

    def run(verb: str, *, status: int = 0) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-c", script, "kubeadm-once", verb],
            input=f"token: {TOKEN}\n",
            env={"PATH": f"{programs}:{os.environ['PATH']}", "STATUS": str(status)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def calls(tmp_path: Path) -> list[str]:
    """Return which commands were run, without the names of temporary files."""
    return [line.split(" --")[0] for line in (tmp_path / "calls").read_text().splitlines()]


def test_it_runs_once(run: Run, tmp_path: Path) -> None:
    assert [run("init").returncode, run("init").returncode] == [0, 0]

    assert calls(tmp_path) == ["kubeadm init"]


def test_a_try_that_failed_is_reset_before_the_next(run: Run, tmp_path: Path) -> None:
    assert [run("join", status=3).returncode, run("join").returncode] == [3, 0]

    assert calls(tmp_path) == ["kubeadm join", "kubeadm reset", "kubeadm join"]


def test_a_failure_tells_the_end_of_the_log(run: Run) -> None:
    assert "to stderr" in run("init", status=1).stderr


def test_the_kubelet_of_a_node_that_joined_before_registers_again(run: Run, tmp_path: Path) -> None:
    run("join")
    run("join")

    assert calls(tmp_path) == ["kubeadm join", "systemctl restart kubelet"]


@pytest.mark.parametrize("status", [0, 1])
def test_the_token_is_in_no_log_and_in_no_file_that_stays(
    run: Run, tmp_path: Path, status: int
) -> None:
    done = run("init", status=status)

    log = tmp_path / "var/log/kubeadm-init.log"
    assert "Using token: (token)" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    assert TOKEN not in done.stderr + done.stdout
    assert not any(
        TOKEN in path.read_text()
        for path in tmp_path.rglob("*")
        if path.is_file() and path.parent.name != "bin"
    )


def test_keys_that_came_for_a_server_survive_the_reset_of_a_failed_try(
    run: Run, tmp_path: Path
) -> None:
    kept = tmp_path / "etc/kubernetes/pki/ca.key"
    for status in (1, 0):
        send_keys(tmp_path)
        run("join", status=status)

    assert kept.read_text() == "key"
    assert not (tmp_path / "run/lab/pki.tar").exists()


def send_keys(root: Path) -> None:
    (root / "run/lab").mkdir(parents=True, exist_ok=True)
    with tarfile.open(root / "run/lab/pki.tar", "w") as archive:
        entry = tarfile.TarInfo("pki/ca.key")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"key"))
