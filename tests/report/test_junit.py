"""What CI systems read: suites, cases, failures, errors, what was skipped, and why."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml

from lab.report.annotations import annotate, annotate_flaky
from lab.report.junit import render
from lab.scenario import tally
from lab.scenario.tally import Case
from lab.scenario.verdict import CheckResult, Figures, Outcome, SignatureRow, Verdict

FIGURES = Figures(4898, 2172, 0.55, 0.87, 0.5, None, 19.5, None, 0, 0, 0, 41.38139, 0.005)
CHECK = CheckResult("number of failures, fresh", True, "", 1439.1, 1475)
ROW = SignatureRow("v1", "42703", "get_chirp", "http_5xx", 400)


def case(
    outcome: Outcome = Outcome.REPRODUCED,
    *reasons: str,
    variant: str = "careless",
    invalid: tuple[tuple[str, ...], ...] = (),
) -> Case:
    wrong = outcome in (Outcome.NOT_REPRODUCED, Outcome.NOT_PREVENTED, Outcome.INVALID)
    verdict = Verdict(
        "rename", variant, outcome, reasons, (CHECK,), (ROW,), FIGURES, as_predicted=not wrong
    )
    return Case(
        "rename",
        variant,
        "twin",
        run="rename/20261128T081744Z",
        directory="/runs/rename/20261128T081744Z",
        verdict=verdict,
        invalid=invalid,
    )


WRONG = case(Outcome.NOT_REPRODUCED, "number of failures: predicted 9, measured 3", "too few <&>")
INVALID = case(Outcome.INVALID, "baseline: one request failed", variant="careful")
FAILED = Case("other", "careless", "twin", error="no database", hint="lab reset")
LEFT_OUT = Case("other", "careful", "twin", left_out="it does not fit")


def parse(*cases: Case) -> ElementTree.Element:
    return ElementTree.fromstring(render(cases))


def only_case(told: Case) -> ElementTree.Element:
    found = parse(told).find("./testsuite/testcase")
    assert found is not None
    return found


def test_each_scenario_is_a_suite_and_each_variant_a_case() -> None:
    root = parse(case(), case(Outcome.PREVENTED, variant="careful"), FAILED)

    told = [(s.get("name"), [c.get("name") for c in s.iter("testcase")]) for s in root]
    assert told == [("rename", ["careless", "careful"]), ("other", ["careless"])]
    assert {c.get("classname") for c in root.iter("testcase")} == {
        "lab.twin.rename",
        "lab.twin.other",
    }


def test_each_suite_says_where_it_was_played() -> None:
    place = {"distribution": "kubeadm v1.36.3", "clock": "honest"}

    (suite,) = ElementTree.fromstring(render([case()], place)).iter("testsuite")

    told = {p.get("name"): p.get("value") for p in suite.findall("properties/property")}
    assert told == {"stage": "twin", **place}


def test_the_file_says_in_which_encoding_it_is() -> None:
    assert render([case()]).startswith(b"<?xml version='1.0' encoding='utf-8'?>\n<testsuites ")


def test_the_numbers_at_the_top_are_those_of_the_cases() -> None:
    root = parse(case(), WRONG, INVALID, FAILED, LEFT_OUT)

    counted = {name: root.get(name) for name in ("tests", "failures", "errors")}
    assert counted == {"tests": "5", "failures": "1", "errors": "2"}
    assert [suite.get("skipped") for suite in root] == ["0", "1"]
    assert float(root.get("time", "")) == pytest.approx(3 * 41.381)
    first = root[0]
    assert (first.get("tests"), first.get("failures"), first.get("errors")) == ("3", "1", "1")


def test_what_came_as_predicted_passes_and_tells_where_it_is() -> None:
    element = only_case(case())

    assert [child.tag for child in element] == ["properties", "system-out"]
    told = {p.get("name"): p.get("value") for p in element.iter("property")}
    assert told == {"run": "rename/20261128T081744Z", "directory": "/runs/rename/20261128T081744Z"}
    out = element.findtext("system-out", "")
    assert "predicted 1 439, measured 1 475" in out
    assert "failed: 400 x v1 42703 get_chirp http_5xx" in out
    assert "lab report show rename/20261128T081744Z" in out


def test_what_did_not_come_as_predicted_is_a_failure_with_its_reasons() -> None:
    failure = only_case(WRONG).find("failure")

    assert failure is not None
    assert failure.get("type") == "not reproduced"
    assert failure.get("message") == ("number of failures: predicted 9, measured 3; too few <&>")
    assert failure.text == "number of failures: predicted 9, measured 3\ntoo few <&>"


@pytest.mark.parametrize(
    ("told", "kind", "message"),
    [(INVALID, "invalid", "baseline: one request failed"), (FAILED, "lab", "no database")],
)
def test_what_says_nothing_about_the_service_is_an_error(
    told: Case, kind: str, message: str
) -> None:
    error = only_case(told).find("error")

    assert error is not None
    assert (error.get("type"), error.get("message")) == (kind, message)


def test_what_was_left_out_is_skipped_with_the_reason() -> None:
    skipped = only_case(LEFT_OUT).find("skipped")

    assert skipped is not None
    assert skipped.get("message") == "left out: it does not fit"


def test_a_try_that_proved_nothing_is_told_and_does_not_fail_what_came_after() -> None:
    tried = ("baseline: one failed",)

    good = only_case(case(invalid=(tried,)))
    bad = only_case(replace(INVALID, invalid=(tried,)))

    assert [child.tag for child in good] == ["properties", "flakyError", "system-out"]
    assert good[1].get("message") == "try 1 proved nothing: baseline: one failed"
    assert [child.tag for child in bad][1:3] == ["error", "rerunError"]


def test_a_repetition_has_a_name_of_its_own() -> None:
    root = parse(case(), replace(case(), round=2))

    assert [c.get("name") for c in root.iter("testcase")] == ["careless", "careless, round 2"]


@given(st.text())
def test_whatever_a_reason_says_the_file_can_be_read(reason: str) -> None:
    told = render([case(Outcome.NOT_REPRODUCED, reason), replace(FAILED, error=reason or "x")])

    assert JUnitXml.fromstring(told).tests == 2


def test_without_cases_it_is_a_report_of_nothing() -> None:
    assert parse().get("tests") == "0"


# The same for GitHub.


def test_what_came_as_predicted_needs_no_annotation() -> None:
    assert annotate(case()) is None


@pytest.mark.parametrize(
    ("told", "command"),
    [
        (
            WRONG,
            "::error title=rename careless%3A not reproduced::"
            "number of failures: predicted 9, measured 3%0Atoo few <&>",
        ),
        (INVALID, "::warning title=rename careful%3A invalid::baseline: one request failed"),
        (FAILED, "::error title=other careless%3A not played::no database"),
        (LEFT_OUT, "::notice title=other careful%3A not played::left out: it does not fit"),
    ],
)
def test_the_rest_is_one_command_with_escapes(told: Case, command: str) -> None:
    assert annotate(told) == command


def test_percent_signs_are_escaped() -> None:
    assert str(annotate(replace(FAILED, error="90 % full"))).endswith("::90 %25 full")


def test_what_is_flaky_is_an_error_of_its_own() -> None:
    (flaky,) = tally.flaky([case(), WRONG])

    assert annotate_flaky(flaky).startswith("::error title=rename careless%3A flaky::reproduced")
