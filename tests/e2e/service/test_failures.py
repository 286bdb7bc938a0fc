"""What goes wrong under a run is told as what it is: an error or invalid, never a wrong verdict."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.home import Watch, cmdline, wait_for
from tests.e2e.service.conftest import Served

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("failures"), pytest.mark.timeout(400)]

IMAGES = ("ctr", "-n", "k8s.io", "images")


def test_a_scenario_that_does_not_exist_is_told_with_one_that_is_near(served: Served) -> None:
    done = served.home.lab("scenario", "run", "half-migrated-renam")

    assert done.returncode == 2
    assert "Error: no scenario 'half-migrated-renam'" in done.stderr
    assert "Hint: did you mean half-migrated-rename?" in done.stderr


def test_all_mistakes_of_a_scenario_file_are_told_at_once(served: Served) -> None:
    done = served.run("mistaken")

    assert done.returncode == 2
    for mistake in (
        "it has no title",
        "the careless variant has the role 'careful'",
        "rate is 0",
        "waits for 'migrate', which is no earlier step",
        "waits without a bound (-1 s)",
        "careful: it checks nothing",
        "it has no proof",
        "guide.md cannot be read",
    ):
        assert mistake in done.stderr


def test_a_variant_that_does_not_exist_is_told_with_those_that_do(served: Served) -> None:
    done = served.run("quick", "--variant", "carefree")

    assert done.returncode == 2
    assert "there are both, careless, careful, control" in done.stderr


def test_an_observer_that_is_killed_makes_the_run_invalid(served: Served) -> None:
    observer = pid_on(served, "n1", "lab.observer serve")
    running = threading.Thread(target=kill_in_baseline, args=(served, observer))
    running.start()

    done = served.run("quick", "--variant", "careful", "--no-retry", "--json")

    running.join()
    (told,) = json.loads(done.stdout)
    assert done.returncode == 3
    assert told["outcome"] == "invalid"
    assert any("observer" in reason for reason in told["reasons"])


def kill_in_baseline(served: Served, pid: int) -> None:
    wait_for_baseline(served, "careful")
    os.kill(pid, signal.SIGKILL)


def wait_for_baseline(served: Served, variant: str) -> None:
    """Return when a run that is begun from now on watches its baseline."""
    before = served.newest("quick")

    def is_now() -> bool:
        begun = served.newest("quick") != before
        return begun and served.phase("quick", variant) == "baseline"

    assert wait_for(is_now, timeout_s=60)


def pid_on(served: Served, node: str, words: str) -> int:
    """Return the pid of a process on a node, as the host sees it."""
    found = [pid for pid in Watch(served.home, "lab").pids(node) if words in cmdline(pid)]
    assert found, f"no {words!r} on {node}"
    return min(found)


def test_an_api_that_is_away_for_ten_seconds_loses_no_line(served: Served) -> None:
    api = pid_on(served, "n1", "kube-apiserver --")
    pausing = threading.Thread(target=pause_in_baseline, args=(served, api))
    pausing.start()

    done = served.run("quick", "--variant", "careless", "--json")

    pausing.join()
    assert done.returncode == 0, done.stdout + done.stderr
    (told,) = json.loads(done.stdout)
    assert told["outcome"] == "reproduced"
    # No line of the load is missing: the run would be invalid.
    sent = [e["seq"] for e in history(served, "careless") if e["kind"] == "request"]
    assert sorted(sent) == list(range(min(sent), max(sent) + 1))


def history(served: Served, variant: str) -> list[dict[str, Any]]:
    path = served.newest("quick") / variant / "history.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def pause_in_baseline(served: Served, pid: int) -> None:
    before = served.newest("quick")
    wait_for(
        lambda: (
            served.newest("quick") != before and served.phase("quick", "careless") == "baseline"
        ),
        timeout_s=60,
    )
    os.kill(pid, signal.SIGSTOP)
    time.sleep(10)
    os.kill(pid, signal.SIGCONT)


def test_a_full_disk_under_the_history_is_told_and_the_next_run_works(
    served: Served, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "runs", kib=64) as runs:
        done = served.run("quick", "--variant", "careful", "--runs", str(runs))

    assert done.returncode == 4
    assert "no space left for" in done.stderr
    after = served.run("quick", "--variant", "careful")
    assert after.returncode == 0, after.stdout + after.stderr


@contextmanager
def small_disk(directory: Path, *, kib: int) -> Iterator[Path]:
    directory.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(directory)]
    subprocess.run(["mount", *options], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def test_a_release_whose_image_is_missing_makes_the_run_invalid_and_deploy_mends_it(
    served: Served,
) -> None:
    for node in ("n3", "n4", "n5", "n6"):
        served.home.must("ssh", node, *IMAGES, "rm", "--sync", "lab.local/chirps:v1b")

    done = served.run("without-image", "--variant", "careful", "--no-retry", "--json")
    served.home.must("deploy")

    (told,) = json.loads(done.stdout)
    assert done.returncode == 3
    assert any("ErrImageNeverPull" in reason for reason in told["reasons"]), told["reasons"]
    assert "lab.local/chirps:v1b" in served.home.must("ssh", "n3", *IMAGES, "ls", "-q")


def test_a_database_that_does_not_start_is_told_with_the_kubelets_reason(served: Served) -> None:
    home = served.home
    version = "/var/lib/lab/postgres/data/PG_VERSION"
    home.must("ssh", "n2", "sh", "-c", f"'cp {version} /tmp/version; echo 7 > {version}'")
    served.kubectl("delete", "pod", "postgres-0")

    deploy = home.lab("deploy", "--timeout", "15")
    run = served.run("quick")

    home.must("ssh", "n2", "sh", "-c", f"'cp /tmp/version {version}'")
    served.kubectl("delete", "pod", "postgres-0")
    home.must("deploy")
    assert deploy.returncode == 4
    assert "postgres-0 did not become ready within 15 s (CrashLoopBackOff" in deploy.stderr
    assert "lab kubectl -n chirps logs postgres-0" in deploy.stderr
    assert run.returncode == 4
    assert "Error: the database could not be asked" in run.stderr
    assert served.run("quick", "--variant", "careful").returncode == 0
