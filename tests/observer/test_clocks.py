"""Two clocks, and what is known of one by the other."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lab.observer.database.clocks import EPOCH, Reading, wall_ns

MS = 1_000_000
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_skewed_clock_moves_no_event() -> None:
    # The commit was 100 ms before the sample, which took 2 ms. Their clock is 200 ms ahead.
    skew, commit = timedelta(milliseconds=200), timedelta(milliseconds=100)
    reading = Reading(sent=5000 * MS, received=5002 * MS, theirs=NOON + skew)

    mapped = reading.map(NOON + skew - commit)

    assert mapped.t == 4901 * MS
    assert mapped == Reading(5000 * MS, 5002 * MS, NOON).map(NOON - commit)
    assert mapped.bound == 1 * MS + 2000


@given(
    true_offset=st.integers(-(10**15), 10**15),
    sent=st.integers(10**12, 10**14),
    there=st.integers(0, 10**9),
    back=st.integers(0, 10**9),
    before=st.integers(0, 10**12),
)
def test_the_true_time_is_always_within_the_bound(
    true_offset: int, sent: int, there: int, back: int, before: int
) -> None:
    def their_clock(ours: int) -> datetime:
        # In microseconds, as PostgreSQL keeps it.
        return EPOCH + timedelta(microseconds=(ours + true_offset) // 1000)

    true_commit = sent - before
    reading = Reading(sent, sent + there + back, their_clock(sent + there))

    mapped = reading.map(their_clock(true_commit))

    assert abs(mapped.t - true_commit) <= mapped.bound


def test_no_nanosecond_is_lost_to_a_float() -> None:
    late = datetime(2026, 11, 25, 1, 2, 3, 456789, tzinfo=UTC)

    assert wall_ns(late) % 1_000_000_000 == 456_789_000
    assert wall_ns(late + timedelta(microseconds=1)) - wall_ns(late) == 1000
    assert wall_ns(late.astimezone(datetime.now().astimezone().tzinfo)) == wall_ns(late)
