import json
import stat
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from lab.errors import InvalidValue, LabError, NoSuchLab
from lab.kube.identity import Identity
from lab.lifecycle import record as records
from lab.lifecycle.record import Record
from lab.machines.inventory import Host
from lab.machines.topology import nodes_of
from lab.paths import Paths


def make(name: str = "lab") -> Record:
    return Record(
        name=name,
        lab_id="abcd",
        created="2026-01-01T00:00:00+00:00",
        node_count=6,
        distribution="kubeadm",
        version="v1.36.3",
        artifacts={"images": "/cache/artifacts/images-0123456789ab"},
        api_port=6443,
        identity=Identity("ca", "uid"),
        joined=("n1",),
    )


@pytest.fixture
def saved(paths: Paths) -> Record:
    paths.lab("lab").mkdir(parents=True)
    records.save(paths, make())
    return make()


def test_what_is_saved_is_loaded(paths: Paths, saved: Record) -> None:
    assert records.load(paths, "lab") == saved


def test_the_record_is_readable_by_its_owner_only(paths: Paths, saved: Record) -> None:
    assert stat.S_IMODE((paths.lab("lab") / "lab.json").stat().st_mode) == 0o600


def test_a_lab_that_does_not_exist_is_named(paths: Paths) -> None:
    with pytest.raises(NoSuchLab, match="no lab called 'nowhere'") as caught:
        records.load(paths, "nowhere")

    assert caught.value.hint == "lab up --name nowhere"


def test_a_damaged_record_is_named_with_the_way_out(paths: Paths, saved: Record) -> None:
    (paths.lab("lab") / "lab.json").write_text('{"format":')

    with pytest.raises(LabError, match=r"lab\.json is damaged") as caught:
        records.load(paths, "lab")

    assert caught.value.hint == "lab down --name lab"


@pytest.mark.parametrize(
    "content",
    [
        *("[]", '"lab"', "{}"),
        json.dumps({**asdict(make()), "node_count": "six"}),
        json.dumps({**asdict(make()), "node_count": 99}),
        json.dumps({**asdict(make()), "artifacts": [1]}),
        json.dumps({**asdict(make()), "identity": "me"}),
    ],
)
def test_whatever_a_record_holds_the_way_out_is_shown(
    paths: Paths, saved: Record, content: str
) -> None:
    (paths.lab("lab") / "lab.json").write_text(content)

    with pytest.raises(LabError, match=r"lab\.json (is damaged|has format)") as caught:
        records.load(paths, "lab")

    assert caught.value.hint == "lab down --name lab"


def test_a_directory_in_the_place_of_the_record_is_named(paths: Paths) -> None:
    (paths.lab("lab") / "lab.json").mkdir(parents=True)

    with pytest.raises(LabError, match=r"lab\.json is damaged"):
        records.load(paths, "lab")


def test_a_name_that_leads_elsewhere_is_refused(paths: Paths, saved: Record) -> None:
    with pytest.raises(InvalidValue, match="cannot name a lab"):
        records.load(paths, "../data/lab")


def test_what_lies_beside_the_labs_is_none(paths: Paths, saved: Record) -> None:
    (paths.data / "stray").touch()
    (paths.data / ".odd").mkdir()

    assert records.names(paths) == ["lab"]
    with pytest.raises(NoSuchLab):
        records.load(paths, "stray")


def test_a_record_of_another_format_is_refused(paths: Paths, saved: Record) -> None:
    file = paths.lab("lab") / "lab.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 99}))

    with pytest.raises(LabError, match="format 99"):
        records.load(paths, "lab")


def test_a_record_with_an_unknown_field_is_refused(paths: Paths, saved: Record) -> None:
    file = paths.lab("lab") / "lab.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"surprise": 1}))

    with pytest.raises(LabError, match="damaged"):
        records.load(paths, "lab")


def test_nodes_join_once(saved: Record) -> None:
    assert saved.with_joined("n3", "n1").joined == ("n1", "n3")


def test_artifacts_of_every_lab_are_in_use(paths: Paths, saved: Record) -> None:
    assert records.artifacts_in_use(paths) == {Path("/cache/artifacts/images-0123456789ab")}


def test_nodes_and_servers_that_changed_are_loaded_as_they_were_saved(paths: Paths) -> None:
    nodes = nodes_of((1, 2, 4, 7), (1, 4))
    record = make().with_nodes(nodes)
    paths.lab("lab").mkdir(parents=True)

    records.save(paths, record)

    assert records.load(paths, "lab").nodes == nodes
    assert [node.name for node in records.load(paths, "lab").server_nodes] == ["n1", "n4"]


def test_of_a_node_that_is_gone_it_is_forgotten_that_it_had_joined() -> None:
    record = replace(make(), joined=("n1", "n2"))

    assert record.with_nodes(record.nodes[:1]).joined == ("n1",)


@pytest.mark.parametrize("damage", [{"numbers": [1, 99]}, {"servers": [9]}, {"numbers": [1, 2]}])
def test_nodes_that_cannot_be_are_damage(
    paths: Paths, saved: Record, damage: dict[str, Any]
) -> None:
    value = asdict(saved) | damage

    with pytest.raises(LabError, match="damaged"):
        records.parse(value, origin="lab.json", name="lab")


def test_a_lab_with_a_node_that_is_being_removed_is_not_complete() -> None:
    record = replace(make(), joined=tuple(node.name for node in make().nodes))

    assert record.is_complete
    assert not replace(record, removing=6).is_complete


K1 = Host(
    name="k1",
    address="192.0.2.11",
    user="ops",
    port=2222,
    key=Path("/home/me/.ssh/lab"),
    known_hosts=None,
    is_server=True,
    sudo=True,
    data={"_sudo": True, "secret": "hunter2"},
    hostname="k1.example",
    known_as="[k1.example]:2222",
)
K3 = replace(K1, name="k3", address="192.0.2.13", is_server=False, key=None)


@pytest.fixture
def with_hosts(paths: Paths, saved: Record) -> Record:
    record = saved.with_hosts({1: K1, 3: K3})
    records.save(paths, record)
    return record


def test_machines_of_an_inventory_are_kept_with_how_they_are_reached(
    paths: Paths, with_hosts: Record
) -> None:
    found = records.load(paths, "lab")

    assert found.hosts == {1: replace(K1, data={}), 3: replace(K3, data={})}
    assert [(n.name, n.address, n.is_server) for n in found.nodes] == [
        ("k1", "192.0.2.11", True),
        ("k3", "192.0.2.13", False),
    ]


def test_other_data_of_an_inventory_is_not_kept(paths: Paths, with_hosts: Record) -> None:
    assert "hunter2" not in (paths.lab("lab") / "lab.json").read_text()


def test_a_machine_that_is_removed_is_forgotten_and_the_others_keep_their_numbers(
    with_hosts: Record,
) -> None:
    more = with_hosts.with_hosts({1: K1, 2: replace(K3, name="k2"), 3: K3})

    left = more.with_nodes(node for node in more.nodes if node.name != "k2")

    assert (left.numbers, sorted(left.hosts), left.node_count) == ((1, 3), [1, 3], 2)


@pytest.mark.parametrize("hosts", [["k1"], {"1": {}}, {"one": {}}, {"99": None}])
def test_damaged_machines_are_told(paths: Paths, with_hosts: Record, hosts: object) -> None:
    file = paths.lab("lab") / "lab.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"hosts": hosts}))

    with pytest.raises(LabError, match="is damaged"):
        records.load(paths, "lab")
