"""Which migrations run: the rules of order, without a database."""

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.goose import BadVersionTable, Migration, NoMigrations, OutOfOrder
from lab.goose.plan import pending, taken_back_to, up_to
from lab.goose.status import applied_at
from lab.goose.table import VersionRow, current

versions = st.frozensets(st.integers(1, 12), min_size=1)


def migrations(*numbers: int) -> tuple[Migration, ...]:
    return tuple(Migration(n, Path(f"{n:05}_m.sql"), "") for n in numbers)


def numbers(found: tuple[Migration, ...]) -> list[int]:
    return [each.version for each in found]


def row(version: int, *, applied: bool = True, second: int = 0) -> VersionRow:
    return VersionRow(version, applied, datetime(2026, 1, 1, 0, 0, second))


def test_on_a_new_database_everything_is_pending() -> None:
    assert numbers(pending(migrations(1, 2, 5), {0})) == [1, 2, 5]


def test_what_has_a_row_is_not_pending() -> None:
    assert numbers(pending(migrations(1, 2, 5), {0, 1, 2})) == [5]


def test_a_database_that_is_ahead_has_nothing_pending() -> None:
    assert pending(migrations(1, 2), {0, 1, 2, 3}) == ()


def test_a_file_older_than_the_newest_row_is_refused_with_its_name() -> None:
    with pytest.raises(OutOfOrder) as caught:
        pending(migrations(1, 2, 3, 4, 5), {0, 1, 4})

    assert caught.value.missing == ("00002_m.sql", "00003_m.sql")
    assert caught.value.newest == 4
    assert caught.value.message == (
        "not applied, but older than version 4 of the database: 00002_m.sql, 00003_m.sql"
    )


@settings(deadline=None)
@given(files=versions, recorded=versions)
def test_what_is_pending_is_newer_than_all_that_ran(
    files: frozenset[int], recorded: frozenset[int]
) -> None:
    new = files - recorded
    if any(version < max(recorded) for version in new):
        with pytest.raises(OutOfOrder):
            pending(migrations(*sorted(files)), recorded)
    else:
        assert set(numbers(pending(migrations(*sorted(files)), recorded))) == new


def test_a_target_leaves_out_what_is_newer() -> None:
    assert numbers(up_to(migrations(5, 1, 3), 3)) == [1, 3]
    assert numbers(up_to(migrations(5, 1, 3), None)) == [1, 3, 5]


def test_a_target_before_the_first_file_is_refused() -> None:
    with pytest.raises(NoMigrations, match="no migration up to 2"):
        up_to(migrations(3, 4), 2)
    with pytest.raises(NoMigrations, match="no migration files"):
        up_to((), None)


def test_a_version_that_is_there_twice_is_taken_back_once() -> None:
    rows = (row(2), row(3), row(2), row(1), row(0))

    assert [each.version for each in taken_back_to(migrations(1, 2, 3), rows, 0)] == [2, 3, 1]


@settings(deadline=None)
@given(order=st.permutations(range(1, 7)), to=st.integers(0, 7))
def test_what_is_taken_back_ends_at_the_first_that_is_not_newer(order: list[int], to: int) -> None:
    rows = (*(row(version) for version in order), row(0))

    back = [each.version for each in taken_back_to(migrations(*range(1, 7)), rows, to)]

    assert back == order[: len(back)]
    assert all(version > to for version in back)
    assert len(back) == len(order) or order[len(back)] <= to


def test_the_current_version_is_the_one_applied_last() -> None:
    assert current((row(2), row(3), row(1), row(0))) == 2


def test_the_newest_row_says_whether_a_version_is_applied() -> None:
    assert current((row(3, applied=False), row(3), row(2), row(0))) == 2
    assert applied_at(3, (row(3, applied=False, second=9), row(3))) is None
    assert applied_at(3, (row(3, second=9), row(3, applied=False))) == row(3, second=9).applied_at


def test_a_table_without_an_applied_version_is_damaged() -> None:
    with pytest.raises(BadVersionTable, match="no row of an applied version"):
        current(())
