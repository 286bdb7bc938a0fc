"""May this release start on this database?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.chirps.gate import Act, Away, Decision, Fit, Needs, Seen, decide
from lab.chirps.settings import GATE_RULES, GATES

# v2 of the careful rename: 6 is what it needs, 7 to 9 come along in its image.
V2 = Needs(release="v2", number=2, required=6, known=9, track="rename-careful")
ALONE = Needs(release="v2", number=2, required=6, known=6)

BEHIND = Seen(5, floor=1, pending=(6, 7, 8, 9))
CONTRACT_PENDING = Seen(8, floor=2, pending=(9,))
SAME = Seen(9, floor=2)
AHEAD = Seen(10, floor=2, ahead=(10,))
TOO_NEW = Seen(10, floor=3, ahead=(10,))
AWAY = Away("connection refused")

COMPLAIN = Act.START_AND_COMPLAIN
TABLE = {
    # database: what off, warn, refuse, wait and migrate make of it
    BEHIND: (Act.START, COMPLAIN, Act.EXIT, Act.RETRY, Act.MIGRATE),
    CONTRACT_PENDING: (Act.START, Act.START, Act.START, Act.START, Act.MIGRATE),
    SAME: (Act.START, Act.START, Act.START, Act.START, Act.START),
    AHEAD: (Act.START, Act.START, Act.START, Act.START, Act.START),
    TOO_NEW: (Act.START, COMPLAIN, Act.EXIT, Act.EXIT, Act.EXIT),
    AWAY: (Act.START, COMPLAIN, Act.EXIT, Act.RETRY, Act.RETRY),
}
CELLS = [
    pytest.param(gate, database, act, id=f"{gate}-{database}")
    for database, acts in TABLE.items()
    for gate, act in zip(GATES, acts, strict=True)
]


def decided(gate: str, database: Seen | Away, release: Needs = V2, **given: str) -> Decision:
    return decide(gate, given.get("rule", "required"), database, release)


@pytest.mark.parametrize(("gate", "database", "act"), CELLS)
def test_each_gate_does_with_each_database_what_the_table_says(
    gate: str, database: Seen | Away, act: Act
) -> None:
    assert decided(gate, database).act is act


def test_who_exits_because_of_the_schema_says_that_starting_again_does_not_help() -> None:
    assert decided("refuse", BEHIND).exit_code == 78
    assert decided("wait", TOO_NEW).exit_code == 78


def test_who_exits_because_the_database_is_away_does_not_blame_the_configuration() -> None:
    assert decided("refuse", AWAY).exit_code == 2


def test_a_schema_that_is_behind_is_told_with_the_command_that_helps() -> None:
    assert decided("wait", BEHIND, ALONE).reason == (
        "the database has schema 5, v2 needs 6: run `chirps migrate up --to 6`"
    )


def test_the_command_names_the_track_unless_it_is_base() -> None:
    assert "`chirps migrate up --track rename-careful --to 6`" in decided("wait", BEHIND).reason


def test_a_floor_above_the_release_is_told_with_the_release_that_would_do() -> None:
    reason = decided("wait", TOO_NEW).reason

    assert "schema 10 and its compat floor is 3" in reason
    assert "v2 is number 2" in reason
    assert "deploy number 3 or later" in reason


def test_a_database_that_is_away_is_told_with_its_own_words() -> None:
    assert decided("wait", AWAY).reason == "the database does not answer: connection refused"


def test_a_floor_that_is_the_release_s_own_number_lets_it_start() -> None:
    assert decided("refuse", Seen(9, floor=2)).act is Act.START


def test_a_database_without_a_floor_shuts_nobody_out() -> None:
    assert decided("refuse", Seen(9, floor=None)).act is Act.START


def test_an_empty_database_is_behind() -> None:
    assert decided("wait", Seen(0, pending=(1, 2, 3, 4, 5, 6))).act is Act.RETRY


def test_a_later_version_does_not_stand_in_for_one_that_was_passed_over() -> None:
    decision = decided("refuse", Seen(7, floor=1, pending=(6, 8, 9)))

    assert decision.act is Act.EXIT
    assert "schema 7 without 6, v2 needs 6" in decision.reason


def test_the_contract_in_its_own_image_keeps_a_release_out_by_the_naive_rule() -> None:
    decision = decided("refuse", CONTRACT_PENDING, rule="nothing-pending")

    assert (decision.act, decision.exit_code) == (Act.EXIT, 78)
    assert "9 of v2's image are pending" in decision.reason
    assert "CHIRPS_GATE_RULE=required" in decision.reason


def test_the_naive_rule_lets_a_release_start_that_the_floor_has_shut_out() -> None:
    assert decided("refuse", TOO_NEW, rule="nothing-pending").act is Act.START


def test_equality_keeps_the_old_release_out_as_soon_as_the_next_one_s_schema_is_there() -> None:
    decision = decided("wait", AHEAD, rule="equal")

    assert decision.act is Act.EXIT
    assert decision.fit is Fit.TOO_NEW
    assert "CHIRPS_GATE_RULE=required" in decision.reason


def test_equality_waits_for_what_is_still_to_come() -> None:
    assert decided("wait", CONTRACT_PENDING, rule="equal").act is Act.RETRY
    assert decided("wait", SAME, rule="equal").act is Act.START


def test_migrating_at_boot_contracts_what_the_rule_would_have_left_alone() -> None:
    assert decided("refuse", CONTRACT_PENDING).act is Act.START
    assert decided("migrate", CONTRACT_PENDING).act is Act.MIGRATE


def test_who_migrates_with_files_that_do_not_lead_there_says_so() -> None:
    decision = decided("migrate", Seen(5, floor=1), Needs("v2", 2, required=6, known=5))

    assert decision.act is Act.EXIT
    assert "no file of this image leads there (its newest is 5)" in decision.reason


versions = st.integers(0, 12)
seen = st.builds(
    Seen,
    version=versions,
    floor=st.none() | st.integers(0, 4),
    pending=st.frozensets(versions, max_size=3).map(lambda each: tuple(sorted(each))),
)
needs = st.builds(
    Needs,
    release=st.just("v2"),
    number=st.integers(1, 3),
    required=versions,
    known=versions,
)


@settings(deadline=None)
@given(st.sampled_from(("refuse", "wait", "migrate")), seen, needs)
def test_who_starts_has_what_its_code_needs_and_is_not_shut_out(
    gate: str, database: Seen, release: Needs
) -> None:
    if decided(gate, database, release).starts:
        assert database.version >= release.required
        assert database.floor is None or database.floor <= release.number
        assert not any(version <= release.required for version in database.pending)


@settings(deadline=None)
@given(st.sampled_from(GATES), st.sampled_from(GATE_RULES), seen, needs)
def test_the_reason_names_the_schema_of_the_database(
    gate: str, rule: str, database: Seen, release: Needs
) -> None:
    decision = decided(gate, database, release, rule=rule)

    assert decision.act is Act.MIGRATE or f"schema {database.version}" in decision.reason


@settings(deadline=None)
@given(st.sampled_from(("off", "warn")), st.sampled_from(GATE_RULES), seen, needs)
def test_a_gate_that_only_warns_never_keeps_anybody_out(
    gate: str, rule: str, database: Seen, release: Needs
) -> None:
    decision = decided(gate, database, release, rule=rule)

    assert decision.starts
    if gate == "warn":
        assert (decision.act is Act.START) == (decision.fit is Fit.FITS)


@settings(deadline=None)
@given(st.sampled_from(GATE_RULES), seen, needs)
def test_waiting_and_refusing_differ_only_where_waiting_can_help(
    rule: str, database: Seen, release: Needs
) -> None:
    waits, refuses = (
        decided(gate, database, release, rule=rule).act for gate in ("wait", "refuse")
    )

    assert (waits is Act.START) == (refuses is Act.START)
    assert (waits, refuses) != (Act.EXIT, Act.START)
    assert waits is not Act.RETRY or refuses is Act.EXIT
