"""Do stages that played a scenario say the same?"""

from typing import Any

from benchmarks import agreement


def told(stage: str, outcome: str | None = "reproduced", **failed: int) -> dict[str, Any]:
    rows = [
        {"release": "v1", "sqlstate": "42703", "endpoint": endpoint, "count": count}
        for endpoint, count in failed.items()
    ]
    return {
        "scenario": "s",
        "variant": "careless",
        "stage": stage,
        "outcome": outcome,
        "signature": rows,
    }


def rows(*runs: dict[str, Any]) -> list[str]:
    return list(agreement.table(agreement.newest([run] for run in runs)))[2:]


def test_the_same_outcome_and_the_same_failures_agree():
    assert rows(told("sandbox", a=90, b=10), told("twin", a=900, b=300)) == [
        "| s | careless | reproduced | - | reproduced | yes, 2 ways to fail |"
    ]


def test_another_outcome_does_not_agree():
    (row,) = rows(told("sandbox", a=9), told("twin", "not reproduced", a=9))

    assert row.endswith("| NO |")


def test_a_way_to_fail_that_one_stage_alone_knows_does_not_agree():
    (row,) = rows(told("sandbox", a=90, b=10), told("kind", a=90))

    assert row == "| s | careless | reproduced | reproduced | - | NO |"


def test_what_one_request_in_a_hundred_met_is_left_to_chance():
    (row,) = rows(told("sandbox", a=99, b=1), told("twin", a=90))

    assert row.endswith("| yes, 1 way to fail |")


def test_the_newest_run_counts_that_could_be_trusted():
    runs = [
        told("twin", "not reproduced"),
        told("twin"),
        told("twin", "invalid"),
        told("twin", None),
    ]

    assert rows(*runs) == ["| s | careless | - | - | reproduced | one stage |"]


def test_what_is_rare_on_one_stage_and_not_on_the_other_agrees():
    (row,) = rows(told("sandbox", a=97, b=3), told("twin", a=99, b=1))

    assert row.endswith("| yes, 2 ways to fail |")


def test_where_nothing_fails_that_is_what_they_agree_in():
    (row,) = rows(told("sandbox", "prevented"), told("twin", "prevented"))

    assert row.endswith("| yes, nothing fails |")
