"""What is drawn before anything was done."""

import pytest

from lab.content import folder
from lab.scenario.announce import announce, foresee
from lab.scenario.forecast import Forecast, as_before, old_pods_fail
from lab.scenario.load import CHIRP_ENDPOINTS, Load
from lab.scenario.loader import load

RUN = {
    "kind": "run",
    "t": 5,
    "scenario": "s",
    "variant": "careless",
    "load": Load(rate=60).to_json(),
    "facts": {"replicas": 4, "min_ready_s": 5},
}


def test_old_pods_fail_until_the_last_is_gone():
    found = old_pods_fail(CHIRP_ENDPOINTS, from_s=0, rollout_s=2, start_s=3)(RUN)

    assert found is not None
    # 48 of 60 requests ask for chirps; four pods, 8 s each.
    assert found.at(1) == 48
    assert found.at(5.5) == pytest.approx(48 * 4 / 5)
    assert found.at(10) == pytest.approx(48 * 3 / 4)
    assert found.at(34) == 0


@pytest.mark.parametrize("facts", [{}, {"replicas": 4}, {"replicas": "4", "min_ready_s": 1}])
def test_what_is_not_configured_foretells_nothing(facts):
    foretell = old_pods_fail(CHIRP_ENDPOINTS, from_s=0, rollout_s=2, start_s=3)

    assert foretell({**RUN, "facts": facts}) is None
    assert foretell({**RUN, "load": {}}) is None


def test_a_careful_variant_foretells_that_nothing_fails_and_a_proof_nothing():
    scenario = load(folder("scenarios"), "half-migrated-rename").scenario

    assert foresee(scenario.careful, RUN).points == ((0.0, 0.0),)
    assert foresee(scenario.careless, RUN).points[1][1] == 48
    assert all(foresee(proof, RUN) is None for proof in scenario.proofs)


def test_an_announcement_tells_each_step_and_can_be_read_again():
    scenario = load(folder("scenarios"), "half-migrated-rename").scenario
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
