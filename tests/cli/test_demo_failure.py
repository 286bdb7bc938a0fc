"""What a room and a terminal are told when the lab fails during a demonstration."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def demonstration(when: str, runs: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.cli.failing_demo", when]
    home = {f"XDG_{kind}_HOME": str(runs / kind.lower()) for kind in ("DATA", "STATE", "CACHE")}
    environment = {**os.environ, **home, "LAB_RUNS": str(runs)}
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(address: str) -> dict[str, object]:
    """Return the newest frame of the page, as a browser that opens it gets it."""
    with urllib.request.urlopen(f"{address}frames", timeout=20) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                told: dict[str, object] = json.loads(line[6:])
                return told
    raise AssertionError("the stream ended without a frame")


@pytest.mark.parametrize(
    ("when", "failure", "hint"),
    [
        ("begun", "the database ended with 1", "lab doctor --stage twin"),
        ("full", "no space left for history.jsonl", "df -h; lab artifacts prune"),
    ],
)
def test_a_failure_is_left_on_the_page_until_ctrl_c(
    tmp_path: Path, when: str, failure: str, hint: str
):
    with demonstration(when, tmp_path) as process:
        assert process.stderr
        said = ""
        while "until Ctrl-C.\n" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        address = re.search(r"http://127\.0\.0\.1:\d+/", said)
        assert address

        frame = heard(address[0])
        while "failure" not in frame:
            frame = heard(address[0])

        assert frame == {"failure": failure, "hint": hint}
        assert f"The demonstration cannot go on: {failure}" in said
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=30)
        assert process.returncode == 4
        assert rest == f"Error: {failure}\nHint: {hint}\n"


def test_what_fails_before_a_run_is_there_ends_at_once(tmp_path: Path):
    with demonstration("early", tmp_path) as process:
        _, said = process.communicate(timeout=50)

        assert process.returncode == 4
        assert "Error: the database ended with 1" in said
