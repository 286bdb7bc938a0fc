"""What is kept of a pod's log, from lines as the service writes them."""

import json

import pytest

from lab.scenario.log_lines import CUT, LONGEST, Entry, Gathered, gather, names_sqlstate

NOON_S = 1_769_860_800.0
"""2026-01-31T12:00:00Z."""


def line(second: int = 0, level: str = "warning", event: str = "request", **more: object) -> Entry:
    always = {"release": "v1", "pod": "chirps-1"}
    at = f"2026-01-31T12:00:{second:02}.250+00:00"
    return None, json.dumps({"at": at, "level": level, "event": event, **always, **more})


FAILED = {"endpoint": "list_chirps", "status": 500, "sqlstate": "42703"}


def of(*entries: Entry, most: int = 60) -> Gathered:
    return gather(entries, since_s=NOON_S, most=most)


def test_lines_that_differ_in_a_measured_time_only_are_one_message():
    said = of(line(1, **FAILED, ms=1.5), line(3, **FAILED, ms=7.25), line(2, **FAILED)).said

    assert [(each.text, each.count) for each in said] == [
        ("request endpoint=list_chirps sqlstate=42703 status=500", 3)
    ]
    assert (said[0].level, said[0].first_s) == ("warning", NOON_S + 1.25)


def test_fields_are_told_in_one_order_whatever_order_they_are_written_in():
    backwards = dict(reversed(FAILED.items()))

    (said,) = of(line(1, **FAILED), line(2, **backwards)).said

    assert said.count == 2


def test_fractions_are_left_out_of_lists_as_well():
    done = {"event": "done", "version": 6, "applied": [{"version": 6, "seconds": 0.01}]}

    (said,) = of((NOON_S, json.dumps(done))).said

    assert said.text == 'done applied=[{"version": 6}] version=6'


def test_what_is_no_warning_is_kept_where_it_names_a_version_or_a_sqlstate():
    kept = of(
        line(level="info", event="serving"),
        line(1, level="info", event="schema version", schema=6, before=5),
        (None, json.dumps({"event": "retrying", "sqlstate": "55P03"})),
        (None, json.dumps({"event": "table_created"})),
    ).said

    assert [each.text for each in kept] == [
        "schema version before=5 schema=6",
        "retrying sqlstate=55P03",
    ]


def test_plain_text_is_kept_where_it_is_an_error_and_has_the_time_of_the_line_before_it():
    said = of(line(2, level="info", event="serving"), (None, "Error: file 6: (SQLSTATE 23502)\n"))

    assert [(each.level, each.first_s) for each in said.said] == [("error", NOON_S + 2.25)]


def test_a_time_beside_a_line_counts_where_it_has_none_of_its_own():
    (said,) = of((NOON_S + 4, "Error: no such track")).said

    assert said.first_s == NOON_S + 4


def test_what_was_said_before_the_run_is_left_out():
    early = (None, json.dumps({"at": "2026-01-31T11:59:59+00:00", "level": "error", "event": "x"}))

    assert of(early, line(1)).said == of(line(1)).said


def test_messages_beyond_the_limit_are_counted():
    found = of(*(line(1, path=f"/{n}", attempt=n) for n in range(5)), most=2)

    assert (len(found.said), found.left_out) == (2, 3)


@pytest.mark.parametrize("evil", ["{", "[1]", "[" * 5000, '{"at": 3, "level": ["x"]}', "\0\x1b[2J"])
def test_whatever_a_pod_writes_is_read_without_a_fall(evil):
    assert of((None, evil), line(1)).said[-1].text == "request"


def test_the_text_of_a_message_is_cut_and_stays_one_line():
    (said,) = of(line(level="error", event="a\nb" + "x" * 1000)).said

    assert (len(said.text), said.text[:4], said.text[-3:]) == (LONGEST, "a bx", CUT)


def test_a_traceback_is_told_by_its_last_line():
    (said,) = of(line(level="error", event="bug", trace="Traceback\n  File x\nKeyError: 'a'")).said

    assert said.text == "bug KeyError: 'a'"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("request status=500 sqlstate=42703", "42703"),
        ("worker failure=42703 written=3", "42703"),
        ('check detail="password authentication failed (28P01)"', "28P01"),
        ("file 6: boom (SQLSTATE 0A000)", "0A000"),
        ("sqlstate=null", None),
        ("serving port=42703", None),
        ("worker failure=nobody", None),
    ],
)
def test_a_sqlstate_is_found_where_it_is_one(text, code):
    assert names_sqlstate(text) == code
