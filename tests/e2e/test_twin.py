"""A scenario without nodes: from pip alone, without root or network, and nothing is left of it."""

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import EXIT_FAILED
from tests.e2e.home import Done, wait_for
from tests.e2e.verdicts import Verdicts, prove

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
QUICK = ROOT / "tests/e2e/service/scenarios"
NAME = "half-migrated-rename"
# Sees no network but loopback, and is nobody who may anything.
ALONE = (
    *("unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"),
    *("unshare", "--user", "--map-user=1000", "--map-group=1000"),
)


class User:
    """Somebody with directories of their own, whose paths have a space in them."""

    def __init__(self, directory: Path, *, code: Path = ROOT) -> None:
        self.directory = directory / "a user"
        self.temporary = self.directory / "tmp"
        self.begun: list[subprocess.Popen[str]] = []
        self.temporary.mkdir(parents=True)
        for place in (directory, self.directory, self.temporary):
            place.chmod(0o755)
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("LAB_", "XDG_", "PG"))},
            "HOME": str(self.directory),
            "XDG_CACHE_HOME": str(self.directory / "cache"),
            "XDG_DATA_HOME": str(self.directory / "data"),
            "XDG_STATE_HOME": str(self.directory / "state"),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(code),
        }

    def begin(self, *arguments: str, below: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        command = [*below, sys.executable, "-P", "-m", "lab", "scenario", "run", *arguments]
        running = subprocess.Popen(
            [*command, "--stage", "twin", "--json"],
            env=self.environ,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        self.begun.append(running)
        return running

    def end(self) -> None:
        """End what a test that failed left."""
        for each in self.begun:
            with each:
                each.kill()

    def play(self, *arguments: str, below: tuple[str, ...] = ()) -> Done:
        running = self.begin(*arguments, below=below)
        out, err = running.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, running.returncode, out, err)

    def prove(self, *arguments: str, below: tuple[str, ...] = ()) -> Verdicts:
        return prove(lambda: self.play(*arguments, below=below))

    @property
    def workplaces(self) -> list[Path]:
        """Return what twins have made in the directory for temporary files."""
        return [
            path
            for base in self.temporary.iterdir()
            for path in base.glob("[!.]*")
            if path.name != "lock"
        ]

    @property
    def processes(self) -> list[int]:
        """Return the processes that work below this user's directories."""
        return [
            pid
            for pid in map(int, filter(str.isdecimal, (p.name for p in Path("/proc").iterdir())))
            if mentions(pid, str(self.directory))
        ]


def mentions(pid: int, text: str) -> bool:
    for name in ("environ", "cmdline"):
        try:
            if text.encode() in Path(f"/proc/{pid}/{name}").read_bytes():
                return True
        except OSError:
            continue
    return False


@pytest.fixture
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    # Short, because a socket's path may be no longer than 107 bytes.
    directory = Path(f"/tmp/twin-{os.getpid()}-{os.urandom(2).hex()}")
    made = User(directory)
    yield made
    made.end()
    shutil.rmtree(directory, ignore_errors=True)


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


@pytest.mark.parametrize(
    ("variant", "outcome"),
    [("control", "not reproduced"), ("careful-without-expand", "not prevented")],
)
def test_a_proof_goes_the_other_way_for_its_own_reason(
    user: User, variant: str, outcome: str
) -> None:
    told = user.prove(NAME, "--variant", variant)[variant]

    assert (told["outcome"], told["as_predicted"]) == (outcome, True)


def test_two_at_once_do_not_know_of_each_other(user: User) -> None:
    quick = ("quick", "--scenarios", str(QUICK), "--variant", "careful")
    running = [user.begin(*quick) for _ in range(2)]

    ended = [(each.communicate(timeout=300), each.returncode) for each in running]

    # On few cores both clients may send late, and then a run says that it proves nothing.
    assert {code for _, code in ended} <= {0, 3}, ended
    assert user.workplaces == []


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


def test_it_is_played_from_what_pip_installs(user: User) -> None:
    made = user.directory / "wheel"
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*pip, made, ROOT], check=True, capture_output=True)
    zipfile.ZipFile(next(made.glob("*.whl"))).extractall(user.directory / "installed")
    user.environ["PYTHONPATH"] = str(user.directory / "installed")

    told = user.prove(NAME, "--variant", "careful")

    assert told["careful"]["outcome"] == "prevented"


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


def test_too_little_room_is_told_before_anything_is_started(user: User) -> None:
    small = user.directory / "small"
    small.mkdir()

    done = user.play("quick", "--scenarios", str(QUICK), below=(*CRAMPED, str(small)))

    assert done.returncode == EXIT_FAILED, done.stderr
    assert f"{user.temporary} has " in done.stderr
    assert "/tmp has " in done.stderr
    assert "MB left, and a twin needs 400 MB" in done.stderr
    assert user.workplaces == []


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
