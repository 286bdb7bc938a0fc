"""What came of a series of runs, as JUnit XML: the form that CI systems show.

A scenario is a suite and a variant a test case. As predicted passes; not as predicted is a
failure; a run that proves nothing, and one that the lab could not play, is an error, for it says
nothing about the service; what was left out is skipped. A try that proved nothing before is told
as Surefire does it, as flakyError or rerunError, which others read over
(https://maven.apache.org/plugins/maven-surefire-plugin/examples/rerun-failing-tests.html).
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence

from junitparser import Error, Failure, Skipped
from junitparser.xunit2 import FlakyError, JUnitXml, RerunError, TestCase, TestSuite

from lab.errors import EXIT_INVALID, EXIT_NOT_AS_PREDICTED
from lab.report import words
from lab.scenario.tally import Case
from lab.scenario.verdict import Verdict

NAME = "lab"

# What XML 1.0 cannot hold in any way, https://www.w3.org/TR/xml/#charsets
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(cases: Sequence[Case], place: Mapping[str, str] | None = None) -> bytes:
    """Return the file; suites and cases stand in the order of playing.

    `place` is what is known of where they are played, which becomes properties of each suite.
    """
    report = JUnitXml(NAME)
    for scenario in dict.fromkeys(case.scenario for case in cases):
        own = [case for case in cases if case.scenario == scenario]
        report.add_testsuite(_suite(scenario, own, place or {}))
    report.update_statistics()
    content = io.BytesIO()
    report.write(content)
    return content.getvalue() + b"\n"


def _suite(scenario: str, cases: Sequence[Case], place: Mapping[str, str]) -> TestSuite:
    suite = TestSuite(scenario)
    for name, value in {"stage": cases[0].stage, **place}.items():
        suite.add_property(name, value)
    for case in cases:
        suite.add_testcase(_case(case))
    return suite


def _case(case: Case) -> TestCase:
    name = case.variant if case.round == 1 else f"{case.variant}, round {case.round}"
    seconds = case.verdict.figures.wall_s if case.verdict else 0.0
    element = TestCase(name, f"{NAME}.{case.stage}.{case.scenario}", round(seconds, 3))
    if case.run:
        element.add_property("run", case.run)
        element.add_property("directory", case.directory)
    result = _result(case)
    if result is not None:
        element.result = [result]
    for number, reasons in enumerate(case.invalid, 1):
        element.add_interim_result(_earlier(case, number, reasons))
    if case.verdict:
        element.system_out = _writable("\n".join(_told(case, case.verdict)))
    return element


def _result(case: Case) -> Failure | Error | Skipped | None:
    message = _writable("; ".join(case.reasons))
    if case.left_out:
        return Skipped(message)
    if case.verdict is None:
        return _with_text(Error(message, "lab"), (case.error, case.hint))
    kind = case.verdict.outcome.value
    match case.code:
        case code if code == EXIT_NOT_AS_PREDICTED:
            return _with_text(Failure(message or kind, kind), case.reasons)
        case code if code == EXIT_INVALID:
            return _with_text(Error(message or kind, kind), case.reasons)
    return None


def _with_text(result: Failure | Error, lines: Sequence[str]) -> Failure | Error:
    result.text = _writable("\n".join(filter(None, lines)))
    return result


def _earlier(case: Case, number: int, reasons: Sequence[str]) -> FlakyError | RerunError:
    kind = RerunError if case.code else FlakyError
    return kind(_writable(f"try {number} proved nothing: {'; '.join(reasons)}"), "invalid")


def _told(case: Case, verdict: Verdict) -> Iterator[str]:
    """What a reader of the report needs before opening the run."""
    figures = verdict.figures
    requests = words.times(figures.requests, "request")
    yield f"{verdict.outcome.value}: {words.number(figures.failures)} of {requests} failed"
    yield f"run {case.run} in {case.directory}: lab report show {case.run}"
    for check in verdict.checks:
        mark = {True: "holds", False: "fails", None: "unknown"}[check.ok]
        predicted, measured = words.anything(check.predicted), words.anything(check.measured)
        yield f"{mark}: {check.name}: predicted {predicted}, measured {measured}"
    for row in verdict.signature:
        told = " ".join(filter(None, (row.release, row.sqlstate, row.endpoint, row.outcome)))
        yield f"failed: {words.number(row.count)} x {told}"


def _writable(text: str) -> str:
    return _NO_XML.sub("�", text)
