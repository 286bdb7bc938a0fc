"""The script that waits for k3s on a node, with programs that only say what they are told.

What k3s says is taken from its documentation and issues; that k3s says it was not seen.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.provision.diagnosis import Facts, Kind, diagnose
from lab.provision.rendering import TEMPLATES
from tests.provision.test_diagnosis import EXPIRED, HEARD, READ, READ_OF_K3S, REPORTED_OF_K3S

SCRIPT = TEMPLATES / "wait-for-k3s.sh.j2"
READY = "Ready=True EtcdIsVoter=True "
TOKEN = "K10" + "0" * 64 + "::server:s3cret"

Wait = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def wait(tmp_path: Path) -> Wait:
    for name, body in {
        "systemctl": 'eval "echo \\$$(echo "$3" | cut -d= -f2)"',
        "journalctl": 'printf "%s\\n" "$2" >> "$ASKED"; printf "%s\\n" "$SAID"',
        "k3s": 'case $3 in --raw*) [ -n "$API" ];; *) printf "%s" "$CONDITIONS";; esac',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)

    def run(
        role: str, *, etcd: bool = False, bound_s: int = 1, **seen: str
    ) -> "subprocess.CompletedProcess[str]":
        usual = {"ActiveState": "active", "SubState": "running", "NRestarts": "0", "SAID": ""}
        usual["ASKED"] = str(tmp_path / "asked")
        return subprocess.run(
            ["sh", str(SCRIPT), role, "n1", str(bound_s), *(["etcd"] if etcd else [])],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **usual, **seen},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_server_whose_api_answers_and_whose_node_is_ready_is_waited_for(wait: Wait) -> None:
    assert wait("server", API="ok", CONDITIONS="Ready=True ").returncode == 0


def test_several_servers_are_waited_for_until_each_votes(wait: Wait) -> None:
    assert wait("server", etcd=True, API="ok", CONDITIONS=READY).returncode == 0
    assert wait("server", etcd=True, API="ok", CONDITIONS="Ready=True ").returncode == 1


@pytest.mark.parametrize(
    "seen",
    [
        {"API": "", "CONDITIONS": READY},
        {"API": "ok", "CONDITIONS": "MemoryPressure=False Ready=False "},
        {"API": "ok", "CONDITIONS": "NotReady=True "},
        {"API": "ok", "CONDITIONS": ""},
        {"API": "ok", "CONDITIONS": READY, "ActiveState": "activating"},
    ],
)
def test_a_server_of_which_anything_is_missing_is_told_at_the_deadline(
    wait: Wait, seen: dict[str, str]
) -> None:
    done = wait("server", **seen)

    assert (done.returncode, "not ready within 1 s" in done.stderr) == (1, True)


def test_an_agent_is_ready_when_systemd_says_so(wait: Wait) -> None:
    assert wait("agent").returncode == 0
    assert wait("agent", ActiveState="activating").returncode == 1


def test_a_unit_that_failed_or_restarts_again_and_again_is_not_waited_for(wait: Wait) -> None:
    assert "the unit failed" in wait("agent", ActiveState="failed").stderr
    again = wait("agent", ActiveState="activating", NRestarts="3")
    assert "it was restarted 3 times" in again.stderr


@pytest.mark.parametrize(
    "line",
    [
        "token CA hash does not match the Cluster CA certificate hash: a != b",
        "Node password rejected, duplicate hostname",
        "flag provided but not defined: -tls-sna",
        "bootstrap data already found and encrypted with different token",
        "critical configuration value mismatch between servers: cluster-cidr",
        "open /proc/sys/kernel/panic: read-only file system",
    ],
)
def test_from_documented_lines_what_will_not_mend_itself_is_not_waited_for(
    wait: Wait, line: str
) -> None:
    done = wait("agent", ActiveState="activating", SAID=line)

    assert "it will not mend itself" in done.stderr
    assert line in done.stderr


def test_tokens_are_left_out_of_what_is_shown(wait: Wait) -> None:
    done = wait("agent", ActiveState="failed", SAID=f"using {TOKEN} and token=s3cret")

    assert "s3cret" not in done.stderr
    assert "(token)" in done.stderr


def test_bootstrap_tokens_are_left_out_too(wait: Wait) -> None:
    done = wait("agent", ActiveState="failed", SAID="using abcdef.0123456789abcdef")

    assert "0123456789abcdef" not in done.stderr


def test_what_an_earlier_process_said_does_not_count(wait: Wait, tmp_path: Path) -> None:
    started = "2026-11-25 08:12:27.862267"

    wait("agent", ActiveState="failed", SINCE=started)

    assert set((tmp_path / "asked").read_text().splitlines()) == {f"--since={started}"}


def test_from_documented_lines_a_refusal_counts_when_it_is_repeated(wait: Wait) -> None:
    line = "https://10.77.0.11:6443/v1-k3s/config: not authorized"

    once = wait("agent", ActiveState="activating", SAID=line)
    again = wait("agent", ActiveState="activating", SAID="\n".join([line] * 3))

    assert "not ready within 1 s" in once.stderr
    assert "refused again and again" in again.stderr


def test_from_documented_lines_a_server_that_waits_for_another_to_vote_is_waited_for(
    wait: Wait,
) -> None:
    line = "Waiting for other members to finish joining etcd cluster: too many learner members"

    assert "not ready within 1 s" in wait("server", ActiveState="activating", SAID=line).stderr


LASTING = [
    line
    for line in (
        *(line for _, distribution, line in (*HEARD, *READ) if distribution == "k3s"),
        *(line for _, line in (*READ_OF_K3S, *REPORTED_OF_K3S)),
        EXPIRED,
        "x509: certificate signed by unknown authority",
    )
    if (found := diagnose(line, distribution="k3s", facts=Facts(skew_s=0.0)))
    and found.lasts
    # What is asked and answered before k3s is started.
    and found.kind is not Kind.FOREIGN
    and "answers with another CA" not in line
    # A condition is asked of the API, and not found in the journal.
    and "DiskPressure=True" not in line
]


@pytest.fixture
def hurried(wait: Wait, tmp_path: Path) -> Wait:
    """Let each look at the clock take five seconds, and no sleep any."""
    count = tmp_path / "now"
    count.write_text("1000")
    (tmp_path / "date").write_text(f"#!/bin/sh\nn=$(($(cat {count}) + 5))\necho $n | tee {count}\n")
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    for name in ("date", "sleep"):
        (tmp_path / name).chmod(0o755)
    return wait


@pytest.mark.parametrize("line", LASTING)
def test_a_cause_that_lasts_is_told_within_a_minute(
    hurried: Wait, tmp_path: Path, line: str
) -> None:
    done = hurried("server", ActiveState="activating", SAID="\n".join([line] * 3), bound_s=180)

    assert "not ready within" not in done.stderr
    assert line in done.stderr
    assert int((tmp_path / "now").read_text()) < 1060


def test_what_the_journal_said_once_only_is_waited_for(hurried: Wait, tmp_path: Path) -> None:
    said_early = 'case $2 in *-10s) ;; *) echo "no space left on device" ;; esac'
    (tmp_path / "journalctl").write_text(f"#!/bin/sh\n{said_early}\n")

    done = hurried("server", ActiveState="activating", bound_s=70)

    assert "not ready within 70 s" in done.stderr


def test_a_server_that_is_only_slow_is_waited_for(hurried: Wait) -> None:
    slow = "Waiting for control-plane node n1 startup: nodes n1 not found"

    done = hurried("server", ActiveState="activating", SAID=slow, bound_s=180)

    assert "not ready within 180 s" in done.stderr
