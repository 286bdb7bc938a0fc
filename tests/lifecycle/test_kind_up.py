"""Making a lab on kind, on a Docker in memory: all of it, or nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab import artifacts
from lab.artifacts import Artifact
from lab.errors import HostUnfit, Interrupted, InvalidValue, MachineError, NotReady
from lab.journal import Journal
from lab.lifecycle import kind_plan, kind_program, kind_up, nodes, power
from lab.lifecycle import record as records
from lab.lifecycle import up as sandbox_up
from lab.lifecycle.down import down
from lab.lifecycle.kind_plan import Wanted
from lab.lifecycle.lab import Lab
from lab.machines import docker, kind
from lab.machines.kind import KindCluster
from lab.paths import Paths
from lab.progress import Silent
from lab.provision.distribution import choose
from tests.machines.fake_docker import FakeDocker

IMAGE = "lab.local/kind-node:v1.36.3"


class Killed(BaseException):
    """As by kill -9: nothing more is done."""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeDocker:
    """A Docker in memory, and a kind that makes containers in it."""
    made = FakeDocker(images={IMAGE: "sha256:1"})
    monkeypatch.setattr(docker, "run", made.run)
    monkeypatch.setattr(kind, "QUIET_S", 0)
    built = {"kind": Artifact("kind", "k", tmp_path), "kind-node": Artifact("n", "k", tmp_path)}
    monkeypatch.setattr(artifacts, "missing", lambda recipes, paths: [])
    monkeypatch.setattr(artifacts, "ensure", lambda recipes, **_: built)
    monkeypatch.setattr(kind_up, "archive_id", lambda artifact: "sha256:1")
    monkeypatch.setattr(kind_up._Way, "_introduce", introduce)
    monkeypatch.setattr(kind_up, "_check", lambda lab, *_: lab.update(gate_passed=True))
    monkeypatch.setattr(kind_up.facts, "why_not_up", why_not_up)
    monkeypatch.setattr(kind_program, "create", create_in(made))
    return made


def introduce(way: object, lab: Lab, made: Path) -> None:
    lab.update(api_port=6443, joined=tuple(node.name for node in lab.record.nodes))


def why_not_up(lab: Lab) -> str:
    running = lab.machines.running(lab.record.nodes)
    return "" if lab.record.gate_passed and len(running) == lab.record.node_count else "off"


def create_in(fake: FakeDocker, *, fails: BaseException | None = None) -> Callable[..., None]:
    def create(program: Path, cluster: KindCluster, config: Path, *_: object, **__: object) -> None:
        for name in ("control-plane", "worker", "worker2"):
            fake.add(cluster.name, f"{cluster.name}-{name}", cluster.network)
            if fails:
                raise fails

    return create


def up(paths: Paths, **wanted: object) -> bool:
    told = Wanted(**{"nodes": 3, **wanted})  # type: ignore[arg-type]
    return bool(kind_up.up(paths, "lab", told, progress=Silent())[1])


def is_nothing_left(paths: Paths, fake: FakeDocker) -> bool:
    return not (fake.containers or fake.networks or paths.lab("lab").exists())


def test_a_second_up_changes_nothing(paths: Paths, fake: FakeDocker) -> None:
    assert up(paths) is True
    before = dict(fake.containers)

    assert up(paths) is False
    assert fake.containers == before


def test_down_removes_all_of_it(paths: Paths, fake: FakeDocker) -> None:
    up(paths)

    down(paths, "lab", progress=Silent())

    assert is_nothing_left(paths, fake)


def test_down_removes_all_of_it_without_a_record_that_can_be_read(
    paths: Paths, fake: FakeDocker
) -> None:
    up(paths)
    (paths.lab("lab") / records.FILE).write_text("{")

    down(paths, "lab", progress=Silent())

    assert is_nothing_left(paths, fake)


def test_down_removes_all_of_it_without_a_journal_that_can_be_read(
    paths: Paths, fake: FakeDocker
) -> None:
    up(paths)
    (paths.lab("lab") / "journal.jsonl").write_text("{\n\n{\n")

    down(paths, "lab", progress=Silent())

    assert is_nothing_left(paths, fake)


@pytest.mark.parametrize("error", [MachineError("kubeadm failed"), Interrupted("interrupted")])
def test_where_kind_does_not_come_to_its_end_nothing_is_left(
    paths: Paths, fake: FakeDocker, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(kind_program, "create", create_in(fake, fails=error))

    with pytest.raises(type(error)):
        up(paths)

    assert is_nothing_left(paths, fake)


def test_where_a_node_is_never_ready_nothing_is_left(
    paths: Paths, fake: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(lab: Lab, *_: object) -> None:
        raise NotReady("n3 is not Ready", hint="lab logs n3")

    monkeypatch.setattr(kind_up, "_check", never)

    with pytest.raises(NotReady, match="n3 is not Ready") as caught:
        up(paths)

    assert is_nothing_left(paths, fake)
    # There is no n3 any more that could be looked at.
    kept = kind_up.log_file(paths, "lab")
    assert str(kept) in (caught.value.hint or "")
    assert "n3: journal of kubelet" in kept.read_text()


def test_what_a_killed_up_left_is_removed_by_the_next(
    paths: Paths, fake: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind_program, "create", create_in(fake, fails=Killed()))
    with monkeypatch.context() as during:
        during.setattr(kind_up, "remove", lambda *_: None)
        with pytest.raises(Killed):
            up(paths)
    assert fake.containers
    monkeypatch.setattr(kind_program, "create", create_in(fake))

    assert up(paths) is True

    assert len(fake.containers) == 3
    assert len(fake.networks) == 1


def test_what_a_killed_up_left_is_removed_by_down(
    paths: Paths, fake: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind_program, "create", create_in(fake, fails=Killed()))
    with monkeypatch.context() as during:
        during.setattr(kind_up, "remove", lambda *_: None)
        with pytest.raises(Killed):
            up(paths)

    down(paths, "lab", progress=Silent())

    assert is_nothing_left(paths, fake)


def test_the_change_is_written_down_before_docker_is_told(
    paths: Paths, fake: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_then: list[str] = []

    def make_network(cluster: KindCluster) -> None:
        journal = Journal(paths.lab("lab") / "journal.jsonl", owner=paths.caller, boot_id="")
        open_then.extend(change.kind for change in journal.open_changes())

    monkeypatch.setattr(kind, "make_network", make_network)

    up(paths)

    assert open_then == ["kind"]


def test_stopped_containers_are_started_again(paths: Paths, fake: FakeDocker) -> None:
    up(paths)
    fake.containers["lab-lab-worker"].running = False

    _, done = kind_up.up(paths, "lab", Wanted(), progress=Silent())

    assert ("n2", "start") in [(action.target, action.action) for action in done]
    assert all(each.running for each in fake.containers.values())


def test_a_nodes_power_is_cut_behind_its_network(paths: Paths, fake: FakeDocker) -> None:
    up(paths)
    lab = Lab.load(paths, "lab")

    power.cut(lab, lab.record.nodes[2])

    ((name, script),) = fake.scripts
    assert name == "lab-lab-worker2"
    assert "-j DROP" in script
    assert fake.said[-1] == ("kill", "lab-lab-worker2")


def test_cutting_the_power_of_a_node_without_any_is_fine(paths: Paths, fake: FakeDocker) -> None:
    up(paths)
    lab = Lab.load(paths, "lab")
    fake.containers["lab-lab-worker2"].running = False

    power.cut(lab, lab.record.nodes[2])

    assert fake.scripts == []


def test_a_name_that_is_taken_is_refused_before_anything_is_made(
    paths: Paths, fake: FakeDocker
) -> None:
    fake.add("lab-lab", "lab-lab-control-plane", "kind")

    with pytest.raises(InvalidValue, match="is taken"):
        up(paths)

    assert list(fake.containers) == ["lab-lab-control-plane"]
    assert not paths.lab("lab").exists()


def test_an_image_that_docker_has_not_is_refused_before_anything_is_made(
    paths: Paths, fake: FakeDocker
) -> None:
    with pytest.raises(InvalidValue, match="no image 'kindest/node:v0'") as caught:
        up(paths, image="kindest/node:v0")

    assert "docker pull kindest/node:v0" in (caught.value.hint or "")
    assert is_nothing_left(paths, fake)


def test_without_docker_nothing_is_made(paths: Paths, fake: FakeDocker) -> None:
    fake.away = "Cannot connect to the Docker daemon at unix:///x"

    with pytest.raises(HostUnfit, match="no Docker daemon"):
        up(paths)

    assert not paths.lab("lab").exists()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [({"nodes": 2}, "has 3 nodes and --nodes is 2"), ({"image": "other:1"}, "nodes of lab's own")],
)
def test_a_lab_that_is_there_is_not_made_into_another(
    paths: Paths, fake: FakeDocker, wanted: dict[str, object], told: str
) -> None:
    up(paths)

    with pytest.raises(InvalidValue, match=told):
        up(paths, **wanted)


def test_one_made_for_one_command_is_kept_when_it_is_asked_for_again(
    paths: Paths, fake: FakeDocker
) -> None:
    record, _ = kind_up.up(paths, "lab", Wanted(nodes=3), progress=Silent(), once=True)
    assert record.once

    assert up(paths) is False

    assert not records.load(paths, "lab").once


def test_for_one_command_a_lab_that_somebody_has_made_is_not_taken(
    paths: Paths, fake: FakeDocker
) -> None:
    up(paths)

    with pytest.raises(InvalidValue, match="somebody has made a lab 'lab' in the meantime"):
        kind_up.up(paths, "lab", Wanted(nodes=3), progress=Silent(), once=True)

    assert len(fake.containers) == 3


@pytest.mark.parametrize("change", ["add", "remove"])
def test_its_nodes_are_made_all_at_once_or_not_at_all(
    paths: Paths, fake: FakeDocker, change: str
) -> None:
    up(paths)

    def act() -> object:
        if change == "add":
            return nodes.add(paths, "lab", progress=Silent())
        return nodes.remove(paths, "lab", "n3", progress=Silent())

    with pytest.raises(InvalidValue, match="makes all of them at once"):
        act()


def test_it_is_not_brought_up_as_one_of_the_sandbox(paths: Paths, fake: FakeDocker) -> None:
    up(paths)
    wanted = sandbox_up.Wanted()

    with pytest.raises(InvalidValue, match="containers of kind"):
        sandbox_up.plan_up(
            paths, "lab", wanted=wanted, distribution=choose("kubeadm"), progress=Silent()
        )


def test_a_plan_names_what_would_be_done_and_changes_nothing(
    paths: Paths, fake: FakeDocker
) -> None:
    found = kind_plan.plan_up(paths, "lab", Wanted(nodes=3))

    assert [action.action for action in found] == ["make cluster lab-lab", "check"]
    assert is_nothing_left(paths, fake)


def test_the_plan_of_a_lab_that_is_up_is_empty(paths: Paths, fake: FakeDocker) -> None:
    up(paths)

    assert kind_plan.plan_up(paths, "lab", Wanted()) == ()


@pytest.mark.parametrize(
    ("line", "step"),
    [
        (" • Preparing nodes 📦 📦 📦   ...", "Preparing nodes"),
        (" • Starting control-plane 🕹️  ...", "Starting control-plane"),
        (" ✓ Joining worker nodes 🚜", ""),
    ],
)
def test_a_step_is_told_as_kind_begins_it(line: str, step: str) -> None:
    found = kind_program.STEP.match(line)

    assert (found[1] if found else "") == step
