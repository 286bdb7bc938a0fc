"""The fast clock on six nodes: it counts while it lasts, and nothing of it is left."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.lifecycle.lab import Lab
from lab.lifecycle.lock import exclusive
from lab.progress import Silent
from lab.service import timers
from lab.stages import clock_mode
from lab.stages.clock_mode import FAST, HONEST
from tests.e2e.service.conftest import Served

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(900)]

NAME = "lab"
LOOK = """\
grep -rl lab-clock /etc/kubernetes /var/lib/kubelet/config.yaml 2> /dev/null
ls /etc/rancher/k3s/config.yaml.d/*lab-clock* 2> /dev/null
ls /var/lib/rancher/k3s/agent/etc/kubelet.conf.d/*lab-clock* 2> /dev/null
true
"""


@pytest.fixture
def lab(served: Served) -> Iterator[Lab]:
    with exclusive(served.home.paths, NAME):
        yield Lab.load(served.home.paths, NAME)


def marked(lab: Lab) -> dict[str, list[str]]:
    """Return by node the files that hold something of a clock."""
    looked = {
        node.name: lab.machines.run(node, LOOK, timeout_s=20).split() for node in lab.record.nodes
    }
    return {name: files for name, files in looked.items() if files}


def test_the_timers_of_an_untouched_cluster_are_read_from_what_runs(lab: Lab) -> None:
    found = timers.facts(lab, lab.connect())

    assert found["node_monitor_grace_from"] == timers.ASKED
    assert found["node_monitor_grace_s"] == timers.default_grace_s(lab.record.version)
    assert (found["node_heartbeat_s"], found["toleration_s"]) == (10, 300)


def test_the_fast_clock_counts_on_every_node_and_is_taken_back(lab: Lab) -> None:
    client = lab.connect()
    before = timers.look(lab, client)

    with clock_mode.ticking(lab, client, FAST, Silent()):
        assert FAST.timers is not None
        within = timers.look(lab, client)
        assert set(marked(lab)) == {node.name for node in lab.record.nodes}

    assert not within.differs(FAST.timers)
    assert timers.look(lab, client) == before
    assert marked(lab) == {}


def test_what_was_left_is_taken_back_by_whoever_comes_next(lab: Lab) -> None:
    client = lab.connect()
    assert FAST.timers is not None
    before = timers.common(timers.look(lab, client))
    timers.journal(lab).intend(
        timers.KIND,
        "fast",
        grace_s=before.node_monitor_grace_s,
        status_s=before.node_status_report_s,
    )
    timers.run_on_all(lab, FAST.timers)

    with clock_mode.ticking(lab, client, HONEST, Silent()):
        assert not timers.look(lab, client).differs(before)
        assert marked(lab) == {}


@pytest.mark.parametrize("name", ["ghost-pod-contract", "drain-vs-pdb"])
def test_the_scenario_comes_as_predicted(served: Served, name: str) -> None:
    clock = ("--clock", "fast") if name == "ghost-pod-contract" else ()
    done = served.home.lab("scenario", "run", name, *clock, "--json", timeout_s=850)

    told: list[dict[str, Any]] = json.loads(done.stdout)
    assert [each["outcome"] for each in told] == ["reproduced", "prevented"], done.stdout
    assert {each["clock"] for each in told} == {"fast" if clock else "honest"}
