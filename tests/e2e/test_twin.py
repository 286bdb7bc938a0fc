"""A scenario without nodes: from pip alone, without root or network, and nothing is left of it."""

import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lab.errors import EXIT_FAILED
from tests.e2e.home import wait_for
from tests.e2e.twin_user import ROOT, User, mentions

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
in_turn = pytest.mark.rotating("twin")

QUICK = ROOT / "tests/e2e/service/scenarios"
NAME = "half-migrated-rename"
# Sees no network but loopback, and is nobody who may anything.
ALONE = (
    *("unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"),
    *("unshare", "--user", "--map-user=1000", "--map-group=1000"),
)


def test_both_ways_come_as_predicted_without_root_and_network_and_nothing_is_left(
    user: User,
) -> None:
    told = user.prove(NAME, below=ALONE)

    assert {name: each["outcome"] for name, each in told.items()} == {
        "careless": "reproduced",
        "careful": "prevented",
    }
    rows = told["careless"]["signature"]
    assert {(row["release"], row["sqlstate"]) for row in rows} == {("v1", "42703")}
    assert (told["careless"]["stage"], told["careless"]["clock"]) == ("twin", "short")
    card = told["careless"]["card"]
    assert card["heard"] == "as pods told them"
    assert {each["way"]: each["ok"] for each in card["told"]} == {
        "log line": True,
        "metric": True,
        # Nothing that they were told says what to do, and the deploy says that all is well.
        "next step": False,
        "exit code": False,
    }
    assert user.workplaces == []
    assert user.processes == []


@in_turn
@pytest.mark.parametrize(
    ("variant", "outcome"),
    [("control", "not reproduced"), ("careful-without-expand", "not prevented")],
)
def test_a_proof_goes_the_other_way_for_its_own_reason(
    user: User, variant: str, outcome: str
) -> None:
    told = user.prove(NAME, "--variant", variant)[variant]

    assert (told["outcome"], told["as_predicted"]) == (outcome, True)


@in_turn
def test_two_at_once_do_not_know_of_each_other(user: User) -> None:
    quick = ("quick", "--scenarios", str(QUICK), "--variant", "careful")
    running = [user.begin(*quick) for _ in range(2)]

    ended = [(each.communicate(timeout=300), each.returncode) for each in running]

    # On few cores both clients may send late, and then a run says that it proves nothing.
    assert {code for _, code in ended} <= {0, 3}, ended
    assert user.workplaces == []


@in_turn
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_whatever_ends_it_its_processes_end_and_the_next_run_removes_its_directory(
    user: User, number: signal.Signals
) -> None:
    running = user.begin("quick", "--scenarios", str(QUICK))
    assert wait_for(lambda: pods_of(user) >= 4, timeout_s=120, every_s=0.2)

    running.send_signal(number)
    running.communicate(timeout=60)

    assert wait_for(lambda: user.processes == [], timeout_s=30, every_s=0.2)
    user.prove("quick", "--scenarios", str(QUICK), "--variant", "careful")
    assert user.workplaces == []


def pods_of(user: User) -> int:
    return sum(mentions(pid, "CHIRPS_POD=chirps-") for pid in user.processes)


@in_turn
def test_it_is_played_from_what_pip_installs(user: User) -> None:
    made = user.directory / "wheel"
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*pip, made, ROOT], check=True, capture_output=True)
    zipfile.ZipFile(next(made.glob("*.whl"))).extractall(user.directory / "installed")
    user.environ["PYTHONPATH"] = str(user.directory / "installed")

    told = user.prove(NAME, "--variant", "careful")

    assert told["careful"]["outcome"] == "prevented"


@in_turn
def test_no_password_is_left_or_shown(user: User) -> None:
    running = user.begin("quick", "--scenarios", str(QUICK), "--variant", "careful")
    assert wait_for(lambda: pods_of(user) >= 4, timeout_s=120, every_s=0.2)
    secrets = [path.read_bytes() for place in user.workplaces for path in place.glob("passwords/*")]

    shown = b"".join(
        Path(f"/proc/{pid}/{name}").read_bytes()
        for pid in user.processes
        for name in ("cmdline", "environ")
    )
    running.communicate(timeout=120)

    assert len(secrets) > 3
    left = [path.read_bytes() for path in user.directory.rglob("*") if path.is_file()]
    for secret in secrets:
        assert secret not in shown
        assert not any(secret in content for content in left)


# Lays a small disk over /tmp, so that what lies there is still seen, for its child alone.
CRAMPED = (
    *("unshare", "--mount", "--propagation=private", "sh", "-e", "-c"),
    'mount -t tmpfs -o size=8m tmpfs "$0"; mkdir "$0/upper" "$0/work"; chmod 1777 "$0/upper"; '
    'mount -t overlay overlay -o "lowerdir=/tmp,upperdir=$0/upper,workdir=$0/work" /tmp; exec "$@"',
)


@in_turn
def test_too_little_room_is_told_before_anything_is_started(user: User) -> None:
    small = user.directory / "small"
    small.mkdir()

    done = user.play("quick", "--scenarios", str(QUICK), below=(*CRAMPED, str(small)))

    assert done.returncode == EXIT_FAILED, done.stderr
    assert f"{user.temporary} has " in done.stderr
    assert "/tmp has " in done.stderr
    assert "MB left, and a twin needs 400 MB" in done.stderr
    assert user.workplaces == []


@in_turn
def test_a_directory_with_too_little_room_is_passed_over(user: User) -> None:
    small = user.directory / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", small], check=True)
    try:
        user.environ["TMPDIR"] = str(small)
        told = user.prove("quick", "--scenarios", str(QUICK), "--variant", "careful")
        left = list(small.iterdir())
    finally:
        subprocess.run(["umount", small], check=True)

    assert told["careful"]["outcome"] == "prevented"
    assert left == []
