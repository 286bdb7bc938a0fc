import sys

import pytest

from lab.errors import CommandFailed, ToolMissing
from lab.machines.commands import describe_failure, run


def test_the_output_is_returned() -> None:
    assert run(["echo", "one two"]) == "one two\n"


def test_input_is_what_the_program_reads() -> None:
    assert run(["cat"], input="wörds") == "wörds"


def test_without_input_there_is_nothing_to_read() -> None:
    assert run(["cat"], timeout_s=5) == ""


def test_variables_are_added_to_the_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN", "kept")

    assert run(["sh", "-c", "echo $OWN $ADDED"], env={"ADDED": "too"}) == "kept too\n"


def test_a_failure_shows_command_status_and_what_it_said() -> None:
    with pytest.raises(CommandFailed) as failure:
        run(["sh", "-c", "echo result; echo reason >&2; exit 3"])

    assert failure.value.message == (
        "`sh -c 'echo result; echo reason >&2; exit 3'` failed with exit status 3: reason"
    )


def test_a_silent_failure_shows_its_standard_output() -> None:
    with pytest.raises(CommandFailed, match=r"exit status 1: result$"):
        run(["sh", "-c", "echo result; exit 1"])


def test_only_the_last_lines_of_a_long_output_are_shown() -> None:
    message = describe_failure(["x"], 1, "\n".join(f"line {n}" for n in range(100)))

    assert "line 90\n" in message
    assert "line 89" not in message
    assert message.endswith("line 99")


def test_a_killed_program_names_the_signal() -> None:
    with pytest.raises(CommandFailed, match=r"was killed by SIGKILL$"):
        run(["sh", "-c", "kill -KILL $$"])


def test_a_real_time_signal_is_named_by_number() -> None:
    assert describe_failure(["x"], -40, "") == "`x` was killed by signal 40"


def test_a_program_that_hangs_is_ended_at_the_bound() -> None:
    with pytest.raises(CommandFailed, match=r"`sleep 60` did not end within 0\.05 s"):
        run(["sleep", "60"], timeout_s=0.05)


def test_a_missing_program_is_not_a_failed_command() -> None:
    with pytest.raises(ToolMissing, match="'no-such-program'"):
        run(["no-such-program"])


def test_output_that_is_not_text_does_not_fail() -> None:
    emit = "import sys; sys.stdout.buffer.write(b'a\\xffb')"

    assert run([sys.executable, "-S", "-c", emit]) == "a\ufffdb"
