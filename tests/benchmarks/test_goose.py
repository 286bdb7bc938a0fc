from pathlib import Path

from benchmarks.goose import Figures, render, turned, write_files
from lab import goose


def test_the_files_are_a_table_and_an_index_by_turns(tmp_path: Path) -> None:
    write_files(tmp_path / "migrations", 3)

    found = goose.collect(tmp_path / "migrations")

    begins = [each.script().statements[0].text.partition(" table_")[0] for each in found]
    assert begins == ["CREATE TABLE", "CREATE INDEX", "CREATE TABLE"]
    assert [each.version for each in found] == [1, 2, 3]


def test_each_begins_once_in_as_many_runs() -> None:
    names = ("a", "b", "c")

    assert [turned(names, number)[0] for number in range(4)] == ["a", "b", "c", "a"]


def test_the_median_counts_and_is_told_per_file() -> None:
    figures = [Figures("goose", (3.0, 1.0, 2.0), (0.2, 0.1, 0.3))]

    *_, row = render(figures, 200, {"cores": "2"})

    assert row == (
        "| goose | 2.000 s | 1.000 s | 3.000 s | 10.00 ms | 0.200 s | 0.100 s | 0.300 s |"
    )
