"""The proof goes on where it was ended, forgets what is no longer so, and shows a table."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import proof, proof_state, proof_table
from benchmarks.proof import Proof
from benchmarks.proof_state import Failure, Result, State
from lab.errors import HistoryDamaged, InvalidValue, LabError
from lab.paths import Caller, Paths
from lab.scenario.verdict import CheckResult, Figures, Outcome, Verdict
from lab.stages import clock_mode
from lab.stages.clock_mode import HONEST
from tests.stages import places
from tests.stages.places import Grounds, dirty, fails_with, nothing

NAMES = ("one", "two")
FIGURES = Figures(4898, 2172, 0.55, 0.87, 0.5, None, 19.5, None, 0, 0, 0, 41.4, 0.005)


@dataclass
class Bench:
    """Two scenarios that are to be proved, in a directory that outlives a proof."""

    root: Path
    owner: Caller
    times: int = 2

    def __post_init__(self) -> None:
        for name in NAMES:
            folder = self.root / "scenarios" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "scenario.py").touch()

    def proof(self) -> Proof:
        """A proof as a new process makes it."""
        wanted = []
        for name in NAMES:
            loaded = places.scenario(name)
            wanted.append((loaded, (loaded.scenario.careless, loaded.scenario.careful)))
        store = places.Store(self.root / "runs", owner=self.owner)
        state = State.load(store.root / "proof-twin.json", owner=self.owner)
        return Proof(self.root / "scenarios", tuple(wanted), self.times, state, store, "fake")

    def play(self, grounds: Grounds) -> Proof:
        made = self.proof()
        made.play(grounds.place, grounds.playing(made.store))
        return made


@pytest.fixture
def bench(paths: Paths, tmp_path: Path) -> Bench:
    return Bench(tmp_path, paths.caller)


def counted(made: Proof) -> dict[str, int]:
    told = [f"{each.scenario} {each.variant}" for each in made.results()]
    return {who: told.count(who) for who in told}


def test_each_variant_is_played_as_often_as_asked_for(bench: Bench) -> None:
    made = bench.play(Grounds())

    assert counted(made) == {
        "one careless": 2,
        "one careful": 2,
        "two careless": 2,
        "two careful": 2,
    }
    assert made.left() == ()
    assert made.exit_code == 0


def test_the_variants_take_turns_in_being_first(bench: Bench) -> None:
    made = bench.play(Grounds())

    firsts = [made.results()[index].variant for index in (0, 4)]
    assert firsts == ["careless", "careful"]


def test_what_was_interrupted_goes_on_where_it_was(bench: Bench) -> None:
    stop = fails_with(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        bench.play(Grounds([nothing, nothing, nothing, stop]))

    before = counted(bench.proof())
    grounds = Grounds()
    made = bench.play(grounds)

    assert before == {"one careless": 1, "one careful": 1, "two careless": 1}
    assert grounds.let_be_of == 5
    assert counted(made) == dict.fromkeys(counted(made), 2)


def test_a_kill_loses_nothing_that_was_judged(bench: Bench) -> None:
    """The process is ended by SIGKILL in its third run, and another one goes on."""
    script = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from lab.paths import find_caller\n"
        "from tests.benchmarks.test_proof import Bench\n"
        "from tests.stages.places import Grounds, nothing\n"
        "kill = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"Bench(Path({str(bench.root)!r}), find_caller()).play(Grounds([nothing, nothing, kill]))\n"
    )

    done = subprocess.run([sys.executable, "-c", script], env={**os.environ}, cwd=Path.cwd())

    assert done.returncode == -signal.SIGKILL
    assert counted(bench.proof()) == {"one careless": 1, "one careful": 1}
    assert counted(bench.play(Grounds())) == {
        "one careless": 2,
        "one careful": 2,
        "two careless": 2,
        "two careful": 2,
    }


def test_a_second_call_plays_nothing(bench: Bench) -> None:
    bench.play(Grounds())
    again = Grounds()

    bench.play(again)

    assert again.entered == 0


def test_more_times_play_only_what_is_missing(bench: Bench) -> None:
    bench.play(Grounds())
    more = replace(bench, times=3)
    grounds = Grounds()

    more.play(grounds)

    assert grounds.let_be_of == 4


def test_a_scenario_that_was_changed_begins_anew(bench: Bench) -> None:
    bench.play(Grounds())
    (bench.root / "scenarios/one/scenario.py").write_text("# another one")

    assert counted(bench.proof()) == {"two careless": 2, "two careful": 2}


def test_a_run_that_is_gone_is_played_again(bench: Bench) -> None:
    made = bench.play(Grounds())
    run = made.store.runs("one")[0]
    run.verdict("careful").unlink()

    assert counted(bench.proof())["one careful"] == 1


def test_what_the_lab_could_not_play_is_told_and_tried_again(bench: Bench) -> None:
    broken = bench.play(Grounds([fails_with(LabError("no database"))]))

    assert {f.error for f in broken.state.failures} == {"no database"}
    assert broken.exit_code == 4
    assert "- one careless could not be played: no database" in broken.table("twin")
    assert "- still to be played: one careful (1), one careless (1)" in broken.table("twin")

    made = bench.play(Grounds())

    assert made.state.failures == []
    assert made.exit_code == 0


def test_what_proved_nothing_counts_with_its_tries(bench: Bench) -> None:
    made = bench.play(Grounds([dirty, dirty, dirty]))

    first, second = made.results()[:2]
    assert (first.verdict.outcome, first.tries) == (Outcome.INVALID, 2)
    assert (second.verdict.outcome, second.tries) == (Outcome.PREVENTED, 2)
    assert made.exit_code == 3


def test_a_damaged_state_is_told_and_not_overwritten(bench: Bench) -> None:
    (bench.root / "runs").mkdir()
    (bench.root / "runs/proof-twin.json").write_text("{")

    with pytest.raises(HistoryDamaged, match="no state of a proof"):
        bench.proof()


# The table.


def result(variant: str = "careless", **figures: Any) -> Result:
    outcome = Outcome.REPRODUCED if variant == "careless" else Outcome.PREVENTED
    checks = (
        CheckResult("a share", True, "", 0.95, 1.0),
        CheckResult("number of failures, fresh", True, "", 1439.1, 1475),
        CheckResult("number of failures, keepalive", True, "", 694.8, 697),
        CheckResult("another number", True, "", 1, 1),
    )
    told = replace(FIGURES, **figures)
    verdict = Verdict("rename", variant, outcome, (), checks, (), told, as_predicted=True)
    where = {"stage": "twin", "distribution": "processes", "clock": "short", "version": None}
    return Result("rename", variant, "rename/1", verdict, 1, where)


def row(*results: Result) -> str:
    shown = proof_table.render(results, stage="twin", date="today", machine={"cores": "2"})
    return next(line for line in shown.splitlines() if line.startswith("| rename"))


def test_a_row_shows_medians_and_what_was_predicted() -> None:
    assert row(result(wall_s=40), result(wall_s=42), result(wall_s=60)) == (
        "| rename | careless | reproduced | 42 s | 4 898 | 2 172 | 1 439 / 1 475 number of "
        "failures, fresh; 695 / 697 number of failures, keepalive | 3 |"
    )


def test_failures_that_differ_are_shown_with_their_range() -> None:
    shown = row(result(failures=10), result(failures=30), result(failures=20))

    assert "| 20 (10 to 30) |" in shown


def test_what_did_not_come_as_predicted_stands_out() -> None:
    good = result()
    bad = replace(
        good,
        verdict=replace(good.verdict, outcome=Outcome.NOT_REPRODUCED, as_predicted=False),
    )

    assert "| reproduced 2 of 3, **not reproduced 1 of 3** |" in row(good, bad, good)


def test_a_run_that_proved_nothing_gives_no_figures() -> None:
    good = result()
    bad = replace(
        result(failures=0, wall_s=3),
        tries=2,
        verdict=replace(good.verdict, outcome=Outcome.INVALID, as_predicted=False),
    )

    shown = row(good, bad)

    assert "| 41 s | 4 898 | 2 172 |" in shown
    assert shown.endswith("| 2, 1 tried twice |")


def test_the_table_says_where_and_what_is_open() -> None:
    shown = proof_table.render(
        [result(), result("careful")],
        stage="twin",
        date="today",
        machine={"cores": "2"},
        failures=[Failure("other", "careless", "no database")],
        left=["other careless (3)"],
    )

    assert shown.startswith("Measured today on cores 2.\nStage: twin, processes, short.")
    assert shown.count("| rename |") == 2
    assert "- other careless could not be played: no database" in shown
    assert "- still to be played: other careless (3)" in shown


def test_the_table_is_in_order_and_says_how_long_all_of_it_takes_once() -> None:
    other = replace(result(wall_s=60), scenario="another")
    results = [result(wall_s=40), result("careful", wall_s=50), result("control"), other]

    shown = proof_table.render(results, stage="twin", date="today", machine={"cores": "2"})

    names = [line.split(" | ")[0] for line in shown.splitlines() if line.startswith("| ")][1:]
    assert names == ["| another", "| rename", "| rename", "| rename"]
    assert "Careless and careful of these 2 once: 2.5 minutes." in shown


def test_the_table_is_put_between_its_marks(tmp_path: Path, caller: Caller) -> None:
    file = tmp_path / "README.md"
    file.write_text("a\n<!-- proof: twin -->\nold\n<!-- end of proof: twin -->\nz\n")

    proof_table.put_into(file, "twin", "| \\1 |\n", owner=caller)
    proof_table.put_into(file, "twin", "| \\1 |\n", owner=caller)

    assert file.read_text() == (
        "a\n<!-- proof: twin -->\n| \\1 |\n<!-- end of proof: twin -->\nz\n"
    )


def test_a_file_without_marks_is_left_alone(tmp_path: Path, caller: Caller) -> None:
    file = tmp_path / "README.md"
    file.write_text("text")

    with pytest.raises(InvalidValue, match="no single place"):
        proof_table.put_into(file, "twin", "table", owner=caller)

    assert file.read_text() == "text"


def test_the_options_are_those_of_the_command() -> None:
    options = proof._options(["--budget", "10m", "--only", "one", "two"])

    assert (options.stage, options.times, options.budget) == ("twin", 3, 600)
    assert options.only == ["one", "two"]
    with pytest.raises(SystemExit):
        proof._options(["--budget", "soon"])


def test_runs_on_another_clock_prove_nothing_here(bench: Bench) -> None:
    made = bench.play(Grounds())
    fast = replace(made, clock="fast")

    assert fast.results() == ()
    assert len(fast.left()) == len(NAMES) * bench.times
    assert proof_state.title("sandbox", "honest") == "sandbox"
    assert proof_state.title("sandbox", "fast") == "sandbox-fast"


def test_a_table_of_shortened_timers_says_so_first() -> None:
    where = {"stage": "sandbox", "distribution": "k3s", "clock": "fast", "version": None}
    fast = replace(result(), where=where)

    told = proof_table.render([fast], stage="sandbox", date="today", machine={"cores": "2"})

    assert told.splitlines()[1].startswith("Timers of nodes and rollouts were shortened")
    assert told.splitlines()[2].startswith("Stage: sandbox, k3s, fast.")


def test_runs_with_another_fast_clock_do_not_count(bench: Bench) -> None:
    folder, clock = bench.proof().folder, clock_mode.FAST
    shorter = replace(clock, watched={"baseline_s": 1})

    digests = {proof_state.digest(folder, "one", each) for each in (HONEST, clock, shorter)}

    assert len(digests) == 3


def test_the_table_says_when_its_runs_were_played(bench: Bench) -> None:
    made = bench.play(Grounds())
    days = [Path(each.run).name[:8] for each in made.results()]

    found = proof_state.span(made.results())

    assert found.replace("-", "")[:8] == min(days)
    assert f"Measured {found} on" in made.table("twin")
