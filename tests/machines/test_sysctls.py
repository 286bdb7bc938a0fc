from pathlib import Path

import pytest

from lab.machines import sysctls

VALUES = {
    "kernel/panic": "0",
    "kernel/panic_on_oops": "0",
    "vm/overcommit_memory": "0",
    "fs/inotify/max_user_instances": "128",
    "fs/inotify/max_user_watches": "600000",
    "kernel/keys/root_maxkeys": "1000000",
}


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    for name, value in VALUES.items():
        file = tmp_path / "proc" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)
    return tmp_path / "proc"


@pytest.fixture
def register(tmp_path: Path) -> Path:
    return tmp_path / "run" / "sysctls.json"


def read(proc: Path, name: str) -> str:
    return (proc / name).read_text()


def test_too_low_a_limit_is_raised_and_a_higher_one_kept(proc: Path, register: Path) -> None:
    sysctls.hold("aaaa", register=register, proc=proc)

    assert read(proc, "fs/inotify/max_user_instances") == "2048"
    assert read(proc, "fs/inotify/max_user_watches") == "600000"


def test_what_a_kubelet_changed_is_put_back(proc: Path, register: Path) -> None:
    sysctls.hold("aaaa", register=register, proc=proc)
    (proc / "kernel/panic").write_text("10")

    sysctls.release("aaaa", register=register, proc=proc)

    assert {name: read(proc, name) for name in VALUES} == VALUES


def test_the_last_lab_puts_back_what_the_first_one_found(proc: Path, register: Path) -> None:
    sysctls.hold("aaaa", register=register, proc=proc)
    (proc / "kernel/panic").write_text("10")
    sysctls.hold("bbbb", register=register, proc=proc)

    sysctls.release("aaaa", register=register, proc=proc)
    assert read(proc, "kernel/panic") == "10"
    sysctls.release("bbbb", register=register, proc=proc)

    assert read(proc, "kernel/panic") == "0"


def test_nothing_of_the_register_is_left(proc: Path, register: Path) -> None:
    sysctls.hold("aaaa", register=register, proc=proc)

    sysctls.release("aaaa", register=register, proc=proc)

    assert not register.parent.exists()


def test_releasing_what_was_never_held_changes_nothing(proc: Path, register: Path) -> None:
    (proc / "kernel/panic").write_text("10")

    sysctls.release("aaaa", register=register, proc=proc)

    assert read(proc, "kernel/panic") == "10"
