"""What is drawn before anything was done."""

import pytest

from lab.content import folder
from lab.scenario import loader
from lab.scenario.announce import announce, foresee
from lab.scenario.forecast import Forecast, as_before
from lab.scenario.forecast_rollout import old_pods_fail
from lab.scenario.load import CHIRP_ENDPOINTS, Load

RUN = {
    "kind": "run",
    "t": 5,
    "scenario": "s",
    "variant": "careless",
    "load": Load(rate=60).to_json(),
    "facts": {
        "replicas": 4,
        "max_surge": 1,
        "max_unavailable": 0,
        "min_ready_s": 5,
        "pre_stop_s": 2,
    },
}


def test_old_pods_fail_from_the_commit_until_the_last_has_ended():
    found = old_pods_fail(CHIRP_ENDPOINTS, pause_s=2)(RUN)

    assert found is not None
    # 48 of 60 requests ask for chirps. Commit after 1.7 s, rollout after 4.2; four pods, 8 s each.
    assert found.at(1.6) == 0
    assert found.at(1.8) == 48
    # A fifth pod is there, and a quarter of the requests stays on its connections.
    assert found.at(8) == pytest.approx(48 * (0.75 * 4 / 5 + 0.25))
    # An old one is out; it has two seconds for the connections it has.
    assert found.at(13) == pytest.approx(48 * (0.75 * 3 / 4 + 0.25))
    assert found.at(14.5) == pytest.approx(48 * (0.75 * 3 / 4 + 0.25 * (3 + 3 / 4) / 4))
    assert found.at(36.3) == pytest.approx(48 * 0.25 * (1 / 4) * (5 / 4) ** 3, abs=0.01)
    assert found.points[-1] == (38.2, 0)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"replicas": None},
        {"replicas": "4"},
        {"replicas": 0},
        {"replicas": 2.5},
        {"max_surge": 0},
        {"min_ready_s": True},
        {"pre_stop_s": -1},
        {"replicas": float("nan")},
        {"min_ready_s": float("inf")},
    ],
)
def test_what_is_not_configured_foretells_nothing(spoilt):
    foretell = old_pods_fail(CHIRP_ENDPOINTS, pause_s=2)

    assert foretell({**RUN, "facts": RUN["facts"] | spoilt}) is None


@pytest.mark.parametrize(
    "load",
    [
        {},
        {"mix": {}, "rate": 60},
        {"mix": {"page": 0}, "rate": 60},
        {**Load().to_json(), "rate": "1"},
    ],
)
def test_a_load_that_is_not_told_foretells_nothing(load):
    foretell = old_pods_fail(CHIRP_ENDPOINTS, pause_s=2)

    assert foretell({**RUN, "load": load}) is None
    assert foretell({"kind": "run"}) is None


def test_a_forecasts_total_is_the_area_under_its_line():
    assert Forecast("", ((-2.0, 1.0), (0.0, 10.0), (2.5, 4.0), (3.0, 0.0))).total == 2 + 25 + 2
    assert Forecast("", ((0.0, 0.0),)).total == 0


def test_a_careful_variant_foretells_that_nothing_fails():
    scenario = loader.load(folder("scenarios"), "half-migrated-rename").scenario

    assert foresee(scenario.careful, RUN).points == ((0.0, 0.0),)
    assert foresee(scenario.careless, RUN).points[1][1] == 48


def test_an_announcement_tells_each_step_and_can_be_read_again():
    scenario = loader.load(folder("scenarios"), "half-migrated-rename").scenario
    forecast = foresee(scenario.careless, RUN)

    told = announce(scenario.careless, RUN, forecast)

    assert [each["name"] for each in told["steps"]][:2] == ["migrate", "roll out"]
    assert told["t"] == RUN["t"]
    assert Forecast.from_json(told["forecast"]) == forecast


def test_an_earlier_run_foretells_what_it_measured():
    second = 1_000_000_000
    events = [{"kind": "fault", "what": "requested", "t": 10 * second}]
    events += [
        {"kind": "request", "t": int((12 + n / 30) * second), "outcome": "http_5xx"}
        for n in range(90)
    ]

    found = as_before(events, "s/1")

    assert found is not None
    assert found.at(3.5) == 30
    assert found.at(1.5) == 10
    assert found.at(60) == 0
    assert "s/1" in found.source
    assert as_before(events[1:], "s/1") is None
