import sys

import pytest

from benchmarks.machine import cpu_model, memory_kib
from benchmarks.timing import timed
from lab.errors import CommandFailed


def test_the_output_and_the_time_of_a_command_are_returned() -> None:
    done = timed([sys.executable, "-S", "-c", "import os; print(os.environ['X'])"], env={"X": "1"})

    assert done.output == "1\n"
    assert done.seconds > 0


def test_a_command_that_fails_is_no_figure() -> None:
    with pytest.raises(CommandFailed, match="exit status 3: no luck"):
        timed(["sh", "-c", "echo no luck >&2; exit 3"], env={})


def test_the_model_of_the_cpu_is_read() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n") == "Some CPU @ 2 GHz"


def test_the_memory_is_read_in_kib() -> None:
    assert memory_kib("MemTotal:       24683724 kB\nMemFree: 1 kB\n") == 24683724
