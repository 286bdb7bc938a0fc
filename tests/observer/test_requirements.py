"""Which test proves which requirement of the measuring client: C1 to C15.

A verdict is only as good as the client. The table is for whoever wants to know why a number
may be believed; a test that was renamed or removed is missed here.
"""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

PROOFS = {
    "C1 open loop": (
        "observer/test_openloop.py",
        "test_a_stalled_server_does_not_slow_the_schedule",
    ),
    "C2 latency from the intended start": (
        "observer/test_openloop.py",
        "test_latency_counts_from_when_a_request_was_due",
    ),
    "C3 no retries, no redirects": (
        "observer/test_openloop.py",
        "test_every_line_is_one_request_that_reached_the_server",
    ),
    "C4 two transport streams": (
        "observer/test_shares.py",
        "test_fresh_connections_show_the_true_shares",
    ),
    "C5 outcome by kind": (
        "observer/test_outcomes.py",
        "test_no_connection_in_time_is_a_connect_timeout",
    ),
    "C6 one line a request, all numbers from it": (
        "report/test_page.py",
        "test_the_same_run_gives_the_same_page_in_another_process",
    ),
    "C7 cap on what is in flight": (
        "observer/test_openloop.py",
        "test_a_full_client_says_so_and_sends_no_more",
    ),
    "C8 own health": ("observer/test_openloop.py", "test_a_client_that_is_held_up_tells_its_lag"),
    "C8 own health, judged": ("scenario/test_validity.py", "test_what_spoils_a_run_is_told"),
    "C9 a line for each planned request": (
        "e2e/test_observer_processes.py",
        "test_a_killed_load_leaves_a_prefix_without_gaps_and_a_failed_run",
    ),
    "C10 write ledger": (
        "e2e/test_observer_database.py",
        "test_one_write_of_a_thousand_that_the_database_lost_is_found",
    ),
    "C11 session stream": (
        "observer/test_sessions.py",
        "test_a_session_posts_and_reads_back_over_two_releases",
    ),
    "C12 one clock": ("e2e/test_observer_database.py", "test_a_clock_that_is_off_moves_no_commit"),
    "C13 clean baseline": ("scenario/test_validity.py", "test_what_spoils_a_run_is_told"),
    "C14 seeds recorded, order alternated": (
        "observer/test_openloop.py",
        "test_what_is_sent_follows_from_the_seed_alone",
    ),
    "C15 the users' path": (
        "e2e/service/test_half_migrated_rename.py",
        "test_the_client_takes_the_users_path",
    ),
}


@pytest.mark.parametrize(("file", "name"), PROOFS.values(), ids=PROOFS.keys())
def test_each_requirement_has_its_proof(file: str, name: str) -> None:
    tree = ast.parse((TESTS / file).read_text())
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]

    assert name in functions


def test_no_requirement_is_left_out() -> None:
    assert {key.split()[0] for key in PROOFS} == {f"C{number}" for number in range(1, 16)}
