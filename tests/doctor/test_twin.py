"""What the twin needs of a host, and what is said of what it has not."""

from pathlib import Path

import pytest

from lab.doctor import twin
from lab.errors import ToolMissing


def test_this_installation_has_what_the_twin_needs():
    assert [finding.name for finding in twin.examine_twin() if not finding.ok] == []


def test_a_library_that_is_not_there_is_named():
    finding = twin.libraries(("json", "no_such_library"))

    assert not finding.ok
    assert "no_such_library cannot be imported" in finding.detail


def test_programs_that_do_not_run_are_told_with_their_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / "bin/postgres"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho not for this system >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(twin, "find_binaries", lambda: tmp_path)

    finding = twin.postgresql()

    assert not finding.ok
    assert "not for this system" in finding.detail


def test_a_wheel_that_is_not_installed_is_a_finding(monkeypatch: pytest.MonkeyPatch):
    def missing() -> Path:
        raise ToolMissing("PostgreSQL 18 is not installed")

    monkeypatch.setattr(twin, "find_binaries", missing)

    found = {finding.name: finding for finding in twin.examine_twin()}

    assert not found["postgresql"].ok
    assert found["libraries"].ok


def test_too_little_room_names_the_variable_that_moves_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(twin, "ROOM_NEEDED", 2**60)

    finding = twin.room(Path("/tmp"))

    assert not finding.ok
    assert "TMPDIR" in (finding.fix or "")
