"""What the database's entry point refuses; tests/e2e/test_service_images.py starts the database."""

import os
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.artifacts import wheels

ENTRYPOINT = SimpleNamespace(**runpy.run_path(str(wheels.REQUIREMENTS / "postgres_entrypoint.py")))


def test_an_empty_or_absent_directory_becomes_the_database(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "absent"):
        data = tmp_path / name
        assert ENTRYPOINT.read_place({"PGDATA": str(data)}) == data
        assert not ENTRYPOINT.is_prepared(data)


def test_a_database_is_known_by_its_version(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("18\n")

    assert ENTRYPOINT.read_place({"PGDATA": str(tmp_path)}) == tmp_path
    assert ENTRYPOINT.is_prepared(tmp_path)


@pytest.mark.parametrize("place", ["", "relative/data", "/"])
def test_the_place_must_be_an_absolute_path_of_its_own(place: str) -> None:
    with pytest.raises(ENTRYPOINT.Unusable, match="no absolute path"):
        ENTRYPOINT.read_place({"PGDATA": place})


def test_a_volume_belongs_above_the_database_and_not_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path)

    with pytest.raises(ENTRYPOINT.Unusable, match=f"mount the volume at {tmp_path.parent}"):
        ENTRYPOINT.read_place({"PGDATA": str(tmp_path)})


def test_other_files_are_no_place_for_a_database(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").touch()

    with pytest.raises(ENTRYPOINT.Unusable, match="neither empty nor a database"):
        ENTRYPOINT.read_place({"PGDATA": str(tmp_path)})


def test_the_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret with spaces \nsecond\n")

    found = ENTRYPOINT.read_password({"POSTGRES_PASSWORD_FILE": str(file)})
    assert found == "s3cret with spaces "


@pytest.mark.parametrize("content", ["", "\n", None])
def test_a_database_without_a_password_is_not_made(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ENTRYPOINT.Unusable, match="POSTGRES_PASSWORD_FILE"):
        ENTRYPOINT.read_password({"POSTGRES_PASSWORD_FILE": str(file)})
    with pytest.raises(ENTRYPOINT.Unusable, match="POSTGRES_PASSWORD_FILE"):
        ENTRYPOINT.read_password({})


def test_a_configuration_that_cannot_work_ends_with_its_own_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        ENTRYPOINT.main([], {"PGDATA": "data"})

    assert caught.value.code == 78
    assert "PGDATA" in capsys.readouterr().err


def test_the_password_reaches_initdb_by_a_pipe_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    initdb = tmp_path / "initdb"
    initdb.write_text(
        "#!/bin/sh\n"
        f'echo "$*" > {seen}\n'
        f'for word; do case "$word" in --pwfile=*) cat "${{word#*=}}" > {seen}.pw;; esac; done\n'
    )
    initdb.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    ENTRYPOINT.run_initdb(tmp_path / "data", "s3cret")

    assert (tmp_path / "seen.pw").read_text() == "s3cret\n"
    assert "s3cret" not in seen.read_text()


def test_an_initdb_that_fails_ends_the_container_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "initdb").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "initdb").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    with pytest.raises(SystemExit) as caught:
        ENTRYPOINT.run_initdb(tmp_path / "data", "s3cret")
    assert caught.value.code == 3
