"""A load that cannot be made is refused with all that is wrong with it."""

import json
from dataclasses import fields
from typing import Any

import pytest

from lab.kube.client import Answer
from lab.observer.spec import LoadSpec, SpecInvalid
from lab.scenario.load import Load
from lab.stages.cluster import ClusterStage
from tests.observer.loading import content

GOOD = content("http://10.96.0.7:80", run="r-1")


class Cluster:
    """Keeps what a stage wants to be run."""

    def __init__(self) -> None:
        self.wanted: dict[str, Any] = {}

    def answer(self, _method: str, path: str, _query: Any, body: Any) -> Answer:
        if path.endswith("/runs"):
            self.wanted = json.loads(json.dumps(body))
        return Answer({"x-observer-instance": "i1"}, b'{"monotonic_ns": 1}')


def test_what_the_lab_asks_for_is_a_load_and_nothing_is_left_to_be_guessed() -> None:
    cluster: Any = Cluster()
    facts = {"target": "http://10.96.0.7:80", "seeded_users": 50, "seeded_chirps": 500}
    unused: Any = None

    ClusterStage(unused, cluster, unused, _facts=facts).start("s01-1", Load())

    found = LoadSpec.parse(cluster.wanted)
    assert set(cluster.wanted) == {each.name for each in fields(LoadSpec)}
    assert json.loads(json.dumps(found.as_json())) == cluster.wanted
    assert (found.run, found.target, found.users) == ("s01-1", "http://10.96.0.7:80", 50)


@pytest.mark.parametrize("name", [each.name for each in fields(LoadSpec)])
def test_only_what_is_watched_may_be_left_out(name: str) -> None:
    rest = {key: value for key, value in GOOD.items() if key != name}

    if name in {"watch", "database", "sample_hz"}:
        found = LoadSpec.parse(rest)
        assert (found.watch, found.database, found.sample_hz) == (True, True, 2)
    else:
        with pytest.raises(SpecInvalid, match=f"^'{name}' is missing$"):
            LoadSpec.parse(rest)


def test_a_spec_survives_its_way_over_json() -> None:
    spec = LoadSpec.parse({**GOOD, "hot_authors": [7, 8], "mix": {"page": 1}, "rate": 5})

    assert LoadSpec.parse(json.loads(json.dumps(spec.as_json()))) == spec


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rate": 0}, "'rate' 0 is not above 0"),
        ({"rate": "60"}, "'rate' is a number, not '60'"),
        ({"rate": True}, "'rate' is a number, not True"),
        ({"seed": 1.5}, "'seed' is an integer, not 1.5"),
        ({"watch": 1}, "'watch' is true or false, not 1"),
        ({"arrival": "bursts"}, "'arrival' 'bursts' is neither uniform nor poisson"),
        ({"mix": {"page": -1}}, "'mix' has a negative weight"),
        ({"mix": {"page": 0}}, "'mix' has no weight above 0"),
        ({"mix": {"pages": 1}}, "'mix' has unknown endpoints: pages"),
        ({"mix": [1]}, "'mix' is an object of numbers, not [1]"),
        ({"hot_authors": []}, "'hot_authors' is empty"),
        ({"hot_authors": ["1"]}, "'hot_authors' is a list of integers, not ['1']"),
        ({"keepalive_share": 1.5}, "'keepalive_share' is not within 0..1"),
        ({"target": "http://chirps:80"}, "'target' 'http://chirps:80' is not http://ADDRESS:PORT"),
        ({"target": "https://10.0.0.1"}, "'target' 'https://10.0.0.1' is not http://ADDRESS:PORT"),
        ({"target": "http://10.0.0.1:x"}, "'target' 'http://10.0.0.1:x' is not"),
        ({"run": "../x"}, "'run' '../x' is not a name"),
        ({"run": ""}, "'run' '' is not a name"),
        ({"burst": 1}, "'burst' is unknown"),
    ],
)
def test_a_wrong_value_is_named(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        LoadSpec.parse({**GOOD, **wrong})

    assert said in str(refused.value)


def test_all_problems_come_at_once() -> None:
    broken = {**GOOD, "seed": "x", "burst": 1}
    del broken["run"], broken["target"]

    with pytest.raises(SpecInvalid) as refused:
        LoadSpec.parse(broken)

    assert str(refused.value).splitlines() == [
        "'burst' is unknown",
        "'run' is missing",
        "'target' is missing",
        "'seed' is an integer, not 'x'",
    ]


def test_a_spec_is_an_object() -> None:
    with pytest.raises(SpecInvalid, match="is a JSON object"):
        LoadSpec.parse([])
