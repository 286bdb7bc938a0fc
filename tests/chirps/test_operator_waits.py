"""Who is at the root of a queue, whatever the queue looks like."""

from hypothesis import given
from hypothesis import strategies as st

from lab.chirps.operator.waits import chain, roots

QUEUES = st.dictionaries(st.integers(1, 8), st.lists(st.integers(1, 8), max_size=4), max_size=8)


def test_the_root_of_a_queue_is_not_who_stands_before_me() -> None:
    reader, alter, forgotten = 3, 2, 1

    assert roots([reader], {reader: [alter], alter: [forgotten]}) == (forgotten,)


def test_a_root_is_told_once_however_many_wait_for_it() -> None:
    assert roots([2, 3, 4], {2: [1], 3: [2, 1], 4: [2, 2, 3]}) == (1,)


def test_all_in_a_circle_are_its_root() -> None:
    assert roots([1], {1: [2], 2: [1]}) == (1, 2)


def test_who_waits_before_a_circle_is_no_root_of_it() -> None:
    assert roots([3], {3: [1], 1: [2], 2: [1]}) == (1, 2)


def test_a_prepared_transaction_is_a_root_without_a_process() -> None:
    assert roots([2], {2: [0]}) == (0,)


@given(QUEUES)
def test_whoever_waits_has_a_root_and_every_root_stands_before_somebody(
    blocked: dict[int, list[int]],
) -> None:
    waiting = [pid for pid, before in blocked.items() if before]

    found = roots(waiting, blocked)

    for pid in waiting:
        assert chain(pid, blocked) & set(found)
    assert all(any(root in chain(pid, blocked) for pid in waiting) for root in found)


@given(QUEUES)
def test_a_root_waits_for_nobody_unless_for_itself(blocked: dict[int, list[int]]) -> None:
    for root in roots(list(blocked), blocked):
        assert not blocked.get(root) or root in chain(root, blocked)
