"""Folders to migrations: names, order, duplicates, and what a file says to lab."""

from pathlib import Path

import pytest

from lab.goose import BadFile, Direction, NoMigrations, collect

TEXT = "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n"


def write(folder: Path, *names: str, text: str = TEXT) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(text)
    return folder


def test_versions_are_numbers_and_not_text(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", "10_c.sql", "9_b.sql", "00002_a.sql")

    assert [m.version for m in collect(folder)] == [2, 9, 10]


def test_folders_count_as_one(tmp_path: Path) -> None:
    base = write(tmp_path / "base", "1_a.sql", "3_c.sql")
    track = write(tmp_path / "track", "2_b.sql")

    found = collect(base, track)

    assert [m.name for m in found] == ["1_a.sql", "2_b.sql", "3_c.sql"]
    assert found[1].source == track / "2_b.sql"


def test_other_files_are_no_migrations(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", "1_a.sql", "README.md", "2_b.sql.old")

    assert [m.name for m in collect(folder)] == ["1_a.sql"]


def test_a_migration_gives_the_script_of_either_direction(tmp_path: Path) -> None:
    (migration,) = collect(write(tmp_path / "m", "1_a.sql"))

    assert [s.text for s in migration.script().statements] == ["SELECT 1;"]
    assert [s.text for s in migration.script(Direction.DOWN).statements] == ["SELECT 2;"]


def test_the_same_version_in_two_folders_is_refused_with_both(tmp_path: Path) -> None:
    base = write(tmp_path / "base", "00002_b.sql")
    track = write(tmp_path / "track", "2_x.sql")

    with pytest.raises(BadFile) as caught:
        collect(base, track)

    assert "version 2 is also that of" in caught.value.message
    assert str(base / "00002_b.sql") in caught.value.message
    assert str(track / "2_x.sql") in caught.value.message


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("users.sql", "the name must be NUMBER_name.sql"),
        ("00001.sql", "the name must be NUMBER_name.sql"),
        ("a_1.sql", "the name must be NUMBER_name.sql"),
        ("-1_a.sql", "the name must be NUMBER_name.sql"),
        ("\u0661_a.sql", "the name must be NUMBER_name.sql"),
        (".1_a.sql", "the name must be NUMBER_name.sql"),
        ("0_a.sql", "the version must be from 1 to 9223372036854775807"),
        ("9223372036854775808_a.sql", "the version must be from 1 to 9223372036854775807"),
    ],
)
def test_a_name_without_a_version_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(BadFile) as caught:
        collect(write(tmp_path / "m", "1_ok.sql", name))

    assert caught.value.message == f"{name}: {reason}"


def test_no_files_and_no_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NoMigrations, match="no migration files in"):
        collect(write(tmp_path / "m"))
    with pytest.raises(NoMigrations, match="no folder"):
        collect(tmp_path / "none")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (write(tmp_path / "m") / "1_a.sql").mkdir()

    with pytest.raises(BadFile, match=r"1_a\.sql: cannot be read: Is a directory"):
        collect(tmp_path / "m")


def test_text_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "m")
    (folder / "1_a.sql").write_bytes(b"-- +goose Up\nSELECT '\xff';\n")

    with pytest.raises(BadFile, match=r"1_a\.sql line 2: not UTF-8"):
        collect(folder)


def test_what_a_file_says_to_lab_is_kept(tmp_path: Path) -> None:
    text = (
        "-- +lab phase=expand reversible=no\n-- +goose Up\n"
        "-- +lab requires-release=3\n-- +labels are=not\nSELECT '-- +lab not=this';\n"
    )
    (migration,) = collect(write(tmp_path / "m", "1_a.sql", text=text))

    assert migration.annotations == {"phase": "expand", "reversible": "no", "requires-release": "3"}
