"""A load that cannot be made is refused with all that is wrong with it."""

import json

import pytest

from lab.observer.spec import LoadSpec, SpecInvalid

GOOD = {"run": "r-1", "target": "http://10.96.0.7:80"}


def test_what_is_left_out_has_its_usual_value() -> None:
    spec = LoadSpec.parse(GOOD)

    assert (spec.rate, spec.keepalive_share, spec.in_flight_cap) == (60, 0.25, 1000)
    assert sum(spec.mix.values()) == 60


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
    with pytest.raises(SpecInvalid) as refused:
        LoadSpec.parse({"rate": -1, "seed": "x", "burst": 1})

    assert str(refused.value).splitlines() == [
        "'burst' is unknown",
        "'run' is missing",
        "'target' is missing",
        "'seed' is an integer, not 'x'",
    ]


def test_a_spec_is_an_object() -> None:
    with pytest.raises(SpecInvalid, match="is a JSON object"):
        LoadSpec.parse([])
