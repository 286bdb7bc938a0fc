import signal
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest

from lab.errors import BadInput, Interrupted, InvalidValue, LabBusy
from lab.lifecycle import record as records
from lab.lifecycle.kind_plan import Wanted
from lab.machines.kind import KindCluster
from lab.machines.topology import make_nodes
from lab.paths import Paths
from lab.progress import Silent
from lab.scenario import loader, needs
from lab.scenario.needs import Need
from lab.stages import choice, kind, kind_once
from tests.lifecycle.test_record import make

SCENARIOS = Path(__file__).parents[2] / "scenarios"


class Killed(BaseException):
    """As by kill -9: nothing more is done."""


def save(
    paths: Paths, name: str, nodes: int, cluster: KindCluster | None, *, once: bool = False
) -> None:
    paths.lab(name).mkdir(parents=True)
    records.save(paths, replace(make(name), node_count=nodes, kind=cluster, once=once))


CLUSTER = KindCluster("lab-lab", "abcd")


def test_six_nodes_show_drains_and_lost_nodes_and_no_second_control_plane() -> None:
    lacks = kind.lacks(make_nodes(6))

    assert Need.EVICTION not in lacks
    assert "balancer" in lacks[Need.API_SERVER]


def test_on_two_nodes_what_takes_one_away_is_refused_with_how_many_there_are(
    paths: Paths,
) -> None:
    save(paths, "lab", 2, CLUSTER)
    drain = loader.load(SCENARIOS, "drain-vs-pdb").scenario

    with pytest.raises(BadInput, match="has 2 nodes") as caught:
        choice.place_of(paths, "kind", drain, lab_name="lab", progress=Silent())

    assert caught.value.hint == "lab scenario run drain-vs-pdb --stage sandbox"


def test_what_needs_only_a_cluster_is_shown_on_two_nodes() -> None:
    rename = loader.load(SCENARIOS, "half-migrated-rename").scenario

    assert not needs.missing(rename, kind.lacks(make_nodes(2)))


def test_a_lab_of_the_sandbox_is_no_place_for_runs_on_kind(paths: Paths) -> None:
    save(paths, "lab", 6, None)
    rename = loader.load(SCENARIOS, "half-migrated-rename").scenario
    place = choice.place_of(paths, "kind", rename, lab_name="lab", progress=Silent())

    with pytest.raises(InvalidValue, match="none of kind"), place.enter():
        pass


def test_a_lab_that_somebody_made_is_not_taken_for_one_command(paths: Paths) -> None:
    save(paths, "ci", 6, CLUSTER)

    with (
        pytest.raises(InvalidValue, match="there is a lab 'ci' already"),
        kind_once.reserved(paths, "ci", Silent()),
    ):
        pass

    assert paths.lab("ci").exists()


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the labs that were taken down."""
    names: list[str] = []

    def down(paths: Paths, name: str, **_: object) -> None:
        names.append(name)
        rmtree(paths.lab(name))

    monkeypatch.setattr(kind_once, "down", down)
    return names


def test_what_a_killed_command_left_is_removed_by_the_next(
    paths: Paths, removed: list[str]
) -> None:
    save(paths, "ci", 6, CLUSTER, once=True)

    with kind_once.reserved(paths, "ci", Silent()):
        assert removed == ["ci"]


def test_a_lab_made_after_what_a_killed_command_left_was_removed_is_somebodys(
    paths: Paths, removed: list[str]
) -> None:
    with suppress(Killed), kind_once.reserved(paths, "ci", Silent()):
        save(paths, "ci", 6, CLUSTER, once=True)
        raise Killed
    rmtree(paths.lab("ci"))
    save(paths, "ci", 6, CLUSTER)

    with pytest.raises(InvalidValue), kind_once.reserved(paths, "ci", Silent()):
        pass

    assert removed == []


@pytest.mark.parametrize("file", [None, "journal.jsonl"])
def test_where_nothing_was_recorded_or_changed_yet_nothing_is_somebodys(
    paths: Paths, removed: list[str], file: str | None
) -> None:
    paths.lab("ci").mkdir(parents=True)
    if file:
        (paths.lab("ci") / file).touch()

    with kind_once.reserved(paths, "ci", Silent()):
        assert not paths.lab("ci").exists()


@pytest.mark.parametrize("file", [records.FILE, "journal.jsonl"])
def test_what_cannot_be_read_is_left_to_whoever_made_it(
    paths: Paths, removed: list[str], file: str
) -> None:
    paths.lab("ci").mkdir(parents=True)
    (paths.lab("ci") / file).write_text("{\n\n{\n")

    with pytest.raises(InvalidValue), kind_once.reserved(paths, "ci", Silent()):
        pass

    assert paths.lab("ci").exists()


def test_a_second_command_of_that_name_is_refused_while_one_is_at_it(paths: Paths) -> None:
    with (
        kind_once.reserved(paths, "ci", Silent()),
        pytest.raises(LabBusy, match="'ci'"),
        kind_once.reserved(paths, "ci", Silent()),
    ):
        pass


def test_the_name_is_free_again_when_all_is_gone(paths: Paths) -> None:
    for _ in range(2):
        with kind_once.reserved(paths, "ci", Silent()):
            pass


def test_a_place_for_one_command_lacks_what_its_few_nodes_lack(paths: Paths) -> None:
    place = kind_once.place_once(paths, "ci", Wanted(nodes=2), Silent())

    assert Need.NODES in place.lacks
    assert place.ends_within_s == kind_once.REMOVAL_S


def interrupt(number: int, _frame: object) -> None:
    raise Interrupted(signal.Signals(number).name)


@pytest.fixture
def cluster(paths: Paths, removed: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cluster that is made and entered without Docker; who removes it is sent a signal."""

    def up(*_: object, **told: object) -> None:
        save(paths, "ci", 2, CLUSTER, once=bool(told["once"]))

    def down(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        removed.append("ci")
        rmtree(paths.lab("ci"))

    monkeypatch.setattr(kind_once.kind_up, "up", up)
    monkeypatch.setattr(kind_once, "has_all", lambda *_: True)
    monkeypatch.setattr(kind_once, "deploy", lambda *_, **__: None)
    monkeypatch.setattr(kind_once.kind, "enter", lambda *_: nullcontext("ground"))
    monkeypatch.setattr(kind_once, "down", down)
    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_who_cancels_while_the_cluster_is_being_removed_is_heard_afterwards(
    paths: Paths, removed: list[str], cluster: None
) -> None:
    with (
        pytest.raises(Interrupted, match="SIGTERM"),
        kind_once.made(paths, "ci", Wanted(2), Silent()),
    ):
        assert removed == []

    assert removed == ["ci"]
    assert not paths.lab("ci").exists()


def test_a_second_signal_comes_when_what_the_first_one_ended_is_removed(
    paths: Paths, removed: list[str], cluster: None
) -> None:
    with pytest.raises(Interrupted), kind_once.made(paths, "ci", Wanted(2), Silent()):
        signal.raise_signal(signal.SIGINT)

    assert removed == ["ci"]


def test_what_it_took_to_make_the_cluster_is_kept(paths: Paths, cluster: None) -> None:
    with suppress(Interrupted), kind_once.made(paths, "ci", Wanted(2), Silent()):
        pass

    assert kind_once.place_once(paths, "ci", Wanted(2), Silent()).begins_within_s < 10
