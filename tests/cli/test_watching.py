"""A run on a terminal that is real: the screen is taken, drawn on, and given back."""

import os
import sys
from pathlib import Path

from tests.report import judged, synthetic
from tests.terminals import GIVEN_BACK, HIDDEN, SEEN, TAKEN, terminal


def test_the_screen_is_drawn_and_given_back_and_the_exit_code_stays(tmp_path: Path):
    run = judged.write_run(tmp_path, synthetic.CARELESS)
    command = [sys.executable, "-m", "tests.cli.watched", str(run), "3"]
    with terminal(command, environ=os.environ) as shown:
        shown.wait_for("newest events")
        shown.type("\n")

        assert shown.end() == (3, "")

    assert "CARELESS" in shown.drawn
    assert "REPRODUCED" in shown.drawn
    assert shown.written.count(TAKEN) == shown.written.count(GIVEN_BACK) == 1
    after = shown.written.partition(GIVEN_BACK)[2]
    assert after.strip().endswith("and then")
    assert shown.written.rfind(SEEN) > shown.written.rfind(HIDDEN)
