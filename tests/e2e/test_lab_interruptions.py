"""Ctrl-C and `kill -9` at any moment: the next command goes on, and nothing stays behind.

One lab goes through all the moments of its life, and each is where a command is cut short.
That the next moment is reached shows that the command after it got over the one before.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.e2e.home import Home, Running, Watch, interrupt, kill, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("interruptions"), pytest.mark.timeout(400)]

NAME = "cut"
REACHED_BOUND_S = 90


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that the host shows while a command is in one of its phases."""

    phase: str
    is_now: Callable[[Watch], object]


# In the order in which `lab up` comes to them.
OF_UP = (
    Moment("preparing the host", lambda watch: watch.has_network()),
    Moment("booting", lambda watch: watch.pids("n2")),
    Moment("preparing the agents", lambda watch: watch.runs("n2", "ctr", "import")),
    Moment("starting the server", lambda watch: watch.runs("n1", "kubeadm init")),
    Moment("joining", lambda watch: watch.runs("n2", "kubeadm join")),
    Moment("checking", lambda watch: watch.joined() == ["n1", "n2"]),
)


@pytest.fixture(params=["SIGINT", "SIGKILL"])
def cut(request: pytest.FixtureRequest) -> Callable[[Running], None]:
    """Return what ends a command at once, and looks at how it ended."""
    return {"SIGINT": press_ctrl_c, "SIGKILL": kill}[request.param]


def press_ctrl_c(running: Running) -> None:
    interrupt(running)
    assert running.returncode == 130


def cut_at(home: Home, moment: Moment, cut: Callable[[Running], None], *command: str) -> None:
    watch = Watch(home, NAME)
    running = home.begin(*command, "--name", NAME)
    reached = wait_for(
        lambda: moment.is_now(watch) or running.poll() is not None, timeout_s=REACHED_BOUND_S
    )
    assert running.poll() is None, f"ended before {moment.phase}: {running.communicate()}"
    cut(running)
    assert reached, moment.phase
    assert wait_for(lambda: not watch.strays(), timeout_s=5), watch.strays()


def assert_ready(home: Home) -> None:
    status = home.json("status", "--name", NAME)
    assert status["state"] == "up"
    assert [node["ready"] for node in status["nodes"]] == [True, True]
    assert not any(Watch(home, NAME).runs(node, "kubeadm") for node in ("n1", "n2"))
    assert Watch(home, NAME).strays() == []


def test_whenever_a_command_is_cut_short_the_next_one_converges(
    home: Home, cut: Callable[[Running], None]
) -> None:
    for moment in OF_UP:
        cut_at(home, moment, cut, "up", "--nodes", "2")
    home.must("up", "--name", NAME)
    assert_ready(home)

    stopping = Moment("stopping", lambda watch: not watch.runs("n2", "kubelet"))
    cut_at(home, stopping, cut, "stop")
    home.must("up", "--name", NAME)
    assert_ready(home)

    removing = Moment("removing", lambda watch: not watch.pids("n2"))
    cut_at(home, removing, cut, "down", "--yes")
    home.must("up", "--name", NAME)
    assert_ready(home)

    cut_at(home, removing, cut, "down", "--yes")
    home.must("down", "--name", NAME, "--yes")
    assert home.names() == []


@pytest.fixture
def ready(shared_home: Home) -> Home:
    shared_home.must("up", "--name", NAME, "--nodes", "2")
    return shared_home


def forget(home: Home, **changes: object) -> None:
    """Set the lab's record back to before something that has been done."""
    file = home.paths.lab(NAME) / "lab.json"
    file.write_text(json.dumps(home.record(NAME) | changes))


def test_a_node_that_joined_unrecorded_is_taken_as_it_is(ready: Home) -> None:
    forget(ready, joined=["n1"], gate_passed=False)

    ready.must("up", "--name", NAME)

    assert_ready(ready)


def test_a_server_that_was_made_unrecorded_is_taken_as_it_is(ready: Home) -> None:
    before = ready.record(NAME)["identity"]
    forget(ready, joined=[], identity=None, gate_passed=False)
    (ready.paths.lab(NAME) / "kubeconfig").unlink()

    ready.must("up", "--name", NAME)

    assert_ready(ready)
    assert ready.record(NAME)["identity"] == before


def test_what_no_file_tells_of_is_found_and_removed(ready: Home) -> None:
    (ready.node(NAME, "n2") / "machine.json").unlink()
    (ready.paths.lab(NAME) / "forwarder.json").unlink()

    ready.must("down", "--name", NAME, "--yes")

    assert ready.names() == []
