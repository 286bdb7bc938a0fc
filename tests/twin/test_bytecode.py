"""Where a twin's programs leave what they compile."""

from pathlib import Path

from lab.twin.programs import bytecode


def test_who_wants_no_bytecode_beside_the_source_gets_it_in_the_twins_directory():
    told = bytecode(Path("/twin"), environ={"PYTHONDONTWRITEBYTECODE": "1"})

    assert told == {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": "/twin/bytecode"}


def test_otherwise_nothing_is_changed():
    assert bytecode(Path("/twin"), environ={}) == {}
