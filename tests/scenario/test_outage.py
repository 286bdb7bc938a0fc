"""When the database was away, as the observer's looks at it tell."""

import pytest

from lab.scenario import outage
from lab.scenario.checks_outage import leaves_within
from lab.scenario.events import NS
from lab.scenario.evidence import MissingEvidence
from lab.scenario.history import History
from tests.scenario.histories import Line


def looks(answers: str, *, begins: int = 0) -> History:
    """One look a second, "." answered and "x" not; the run phase begins at that second."""
    told: list[Line] = [{"kind": "phase", "t": begins * NS, "name": "run"}]
    for second, answer in enumerate(answers):
        error = {"error": "connection refused"} if answer == "x" else {"schema": 5}
        told.append({"kind": "db", "t": second * NS, **error})
    return History(told)


def test_an_outage_lies_between_the_last_look_with_an_answer_and_the_next():
    found = outage.find(looks("...xxx.."))

    assert found == outage.Outage(2 * NS, 3 * NS, 5 * NS, 6 * NS)
    assert (found.window().begin, found.window().end) == (3 * NS, 5 * NS)


def test_the_moments_are_as_uncertain_as_the_looks_are_apart():
    history = looks("...xxx..")

    assert (outage.lost().at(history), outage.lost().bound(history)) == (3 * NS, NS)
    assert (outage.back().at(history), outage.back().bound(history)) == (6 * NS, NS)


def test_a_database_that_always_answers_was_never_away():
    assert outage.find(looks("......")) is None
    with pytest.raises(MissingEvidence, match="never away"):
        outage.lost().at(looks("......"))


def test_what_was_before_the_run_is_no_outage_of_it():
    assert outage.find(looks("xx....", begins=3)) is None


def test_an_outage_that_does_not_end_has_no_end():
    found = outage.find(looks("..xxx"))

    assert found is not None
    assert found.back is None
    with pytest.raises(MissingEvidence, match="did not come back"):
        found.window()


def test_nobody_who_looked_is_no_evidence():
    with pytest.raises(MissingEvidence, match="nobody looked"):
        outage.find(looks(""))


def test_how_long_a_pod_stays_in_is_computed_from_the_probe_that_is_configured():
    probe = {"period_seconds": 2, "timeout_seconds": 1, "failure_threshold": 3}
    facts = {"overrides": {"readiness_probe": probe}}
    run = {"kind": "run", "t": 0, "scenario": "s", "variant": "v", "load": {}, "facts": facts}

    within_s, formula = leaves_within(History([run]))

    assert within_s == 2 + 1 + 3 * 2 + 1
    assert "3 probes x 2 s" in formula
    with pytest.raises(MissingEvidence, match="readiness_probe"):
        leaves_within(History([]))
