"""How a phase that failed is told; a program of a few lines stands for the provisioning child."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.errors import ProvisionFailed
from lab.provision.child import Child, Phase, Target

# Says the lines it is given when it is asked for anything, and then ends or waits.
WORKER = """
import sys, time
sys.stdin.readline()
print(sys.argv[1], flush=True)
time.sleep(float(sys.argv[2]))
sys.exit(7)
"""
ENDED = {"event": "ended", "ok": False, "error": "No hosts remaining!", "read": {}}
TOKEN = "could not find a JWS signature in the cluster-info ConfigMap for token ID"
TARGETS = tuple(Target(name, f"10.0.0.{name[1]}", (), {}) for name in ("n2", "n3"))
JOINING = Phase("joining n2 and n3", TARGETS, distribution="kubeadm")


class Worker:
    """Reaches a child that says these events; `stays_s` is for how long it then lives."""

    def __init__(self, events: Sequence[dict[str, Any]], stays_s: float = 60) -> None:
        self._lines = "\n".join(json.dumps(event) for event in events)
        self._stays = str(stays_s)

    def command(self, argv: Sequence[str]) -> list[str]:
        return [sys.executable, "-c", WORKER, self._lines, self._stays]

    def reach(self, target: Target) -> dict[str, Any]:
        return {}


def failed(host: str, output: str, name: str = "Join the cluster") -> dict[str, Any]:
    return {"event": "failed", "host": host, "name": name, "output": output}


def done(host: str, name: str) -> dict[str, Any]:
    return {"event": "operation", "host": host, "name": name}


@contextmanager
def failure(
    directory: Path, phase: Phase, events: Sequence[dict[str, Any]], stays_s: float = 60
) -> Iterator[ProvisionFailed]:
    with Child(Worker(events, stays_s), directory / "provision.log") as child:
        with pytest.raises(ProvisionFailed) as caught:
            child.run(phase, lambda host, name: None)
        yield caught.value


def test_what_was_read_is_given_back_by_node(tmp_path: Path) -> None:
    reported = []
    events = [
        done("n2", "Write files"),
        {"event": "ended", "ok": True, "error": "", "read": {"n2": {"ca": "A"}}},
    ]

    with Child(Worker(events), tmp_path / "provision.log") as child:
        read = child.run(JOINING, lambda host, name: reported.append((host, name)))

    assert read == {"n2": {"ca": "A"}}
    assert reported == [("n2", "Write files")]


def test_each_failed_node_is_told_with_its_own_cause_and_remedy(tmp_path: Path) -> None:
    events = [
        failed("n2", f"lots of output\n{TOKEN}"),
        failed("n3", "a Node with name n3 and status Ready already exists in the cluster"),
        ENDED,
    ]

    with failure(tmp_path, JOINING, events) as told:
        assert told.message.splitlines() == [
            "joining n2 and n3: failed on n2, n3",
            "  n2: 'Join the cluster' failed: wrong token: the cluster does not know the token "
            "with which n2 wanted to join",
            f"    {TOKEN}",
            "    remedy: lab up: it makes a new token and joins again",
            "  n3: 'Join the cluster' failed: node name taken: the cluster has another node by "
            "the name n3, and it is Ready",
            "    a Node with name n3 and status Ready already exists in the cluster",
            "    remedy: lab kubectl delete node n3, then lab up",
        ]
        assert told.hint == "lab up: it makes a new token and joins again"


def test_one_remedy_for_all_is_told_once_as_the_next_command(tmp_path: Path) -> None:
    with failure(tmp_path, JOINING, [failed("n2", TOKEN), failed("n3", TOKEN), ENDED]) as told:
        assert "remedy" not in told.message
        assert told.hint == "lab up: it makes a new token and joins again"


def test_a_stale_list_of_servers_is_told_from_a_wrong_token_by_who_the_servers_are(
    tmp_path: Path,
) -> None:
    said = "Running load balancer k3s-agent-load-balancer 127.0.0.1:6444 -> [{}:6443] [default: ]"
    phase = Phase("joining n2 and n3", TARGETS, distribution="k3s", servers=("10.0.0.1",))
    events = [
        failed("n2", f"{said.format('10.9.9.9')}\nnot authorized"),
        failed("n3", f"{said.format('10.0.0.1')}\nnot authorized"),
        ENDED,
    ]

    with failure(tmp_path, phase, events) as told:
        assert "n2: 'Join the cluster' failed: stale list of servers" in told.message
        assert "n3: 'Join the cluster' failed: wrong token" in told.message


def test_words_of_another_distribution_do_not_count(tmp_path: Path) -> None:
    with failure(tmp_path, JOINING, [failed("n2", "Node password rejected"), ENDED]) as told:
        assert told.message.endswith("n2: 'Join the cluster' failed: Node password rejected")
        assert told.hint == f"less {tmp_path}/provision.log"


def test_what_nobody_knows_is_told_by_its_last_lines_and_kept_in_the_log(tmp_path: Path) -> None:
    output = "\n".join(f"line {number}" for number in range(30))

    with failure(tmp_path, JOINING, [failed("n2", output), ENDED]) as told:
        assert told.message.splitlines()[1:4] == [
            "  n2: 'Join the cluster' failed:",
            "    (20 lines before these)",
            "    line 20",
        ]
    assert output in (tmp_path / "provision.log").read_text()


def test_neither_the_message_nor_the_log_has_a_secret(tmp_path: Path) -> None:
    events = [failed("n2", "with abcdef.0123456789abcdef\nno way"), ENDED]

    with failure(tmp_path, JOINING, events) as told:
        assert "0123456789abcdef" not in told.message
    assert "0123456789abcdef" not in (tmp_path / "provision.log").read_text()


def test_a_node_that_failed_without_a_word_is_named(tmp_path: Path) -> None:
    with failure(tmp_path, JOINING, [failed("n3", " \n"), ENDED]) as told:
        assert told.message.endswith("n3: 'Join the cluster' failed: no output")


def test_a_phase_that_does_not_end_says_where_each_node_stands(tmp_path: Path) -> None:
    phase = Phase("joining n2 and n3", TARGETS, timeout_s=1)

    with failure(tmp_path, phase, [done("n3", "Write files")]) as told:
        assert told.message.splitlines() == [
            "joining n2 and n3: it did not end within 1 s",
            "  n2: did nothing yet",
            "  n3: did 'Write files' last",
        ]


def test_what_had_failed_before_a_phase_was_cut_off_is_told_too(tmp_path: Path) -> None:
    events = [failed("n2", "No route to host", "connect by SSH")]

    with failure(tmp_path, JOINING, events, stays_s=0) as told:
        assert told.message.splitlines() == [
            "joining n2 and n3: failed on n2; its child process ended with exit status 7",
            "  n2: 'connect by SSH' failed: No route to host",
        ]


def test_an_error_of_no_node_is_told_as_it_is(tmp_path: Path) -> None:
    events = [done("n2", "Write files"), ENDED | {"error": "`cat x` failed on n2"}]

    with failure(tmp_path, JOINING, events) as told:
        assert told.message == "joining n2 and n3: `cat x` failed on n2"
