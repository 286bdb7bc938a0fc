"""python -m benchmarks.proof: play every scenario both ways several times, as a table.

It may be ended in any way, also by `kill -9`, and goes on where it was: what was judged is in a
file beside the runs. A run that was cut short is played again; what the lab could not play is
tried again the next time. A scenario whose file has changed begins anew.
"""

import argparse
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import typer

from benchmarks import proof_state, proof_table
from benchmarks.machine import describe_machine
from benchmarks.proof_state import Entry, Failure, Result, State
from lab import content
from lab.cli._output import Lines
from lab.cli._series import read_time
from lab.errors import EXIT_FAILED, EXIT_INVALID, BadInput, Interrupted, LabError
from lab.paths import find_paths
from lab.scenario import loader, tally
from lab.scenario.loader import Loaded
from lab.scenario.model import Variant
from lab.scenario.tally import Case
from lab.stages import choice, clock_mode
from lab.stages.clock_mode import ClockMode
from lab.stages.estimate import Estimates
from lab.stages.place import Place
from lab.stages.play import Playing
from lab.stages.series import Budget, Planned, Series
from lab.store import Store

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Wanted = tuple[tuple[Loaded, tuple[Variant, ...]], ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """What is to be proved `times` times, and what is known of it; `folder` holds the scenarios."""

    folder: Path
    wanted: Wanted
    times: int
    state: State
    store: Store
    clock: str

    @property
    def digests(self) -> dict[str, str]:
        names = [loaded.scenario.name for loaded, _ in self.wanted]
        return {name: proof_state.digest(self.folder, name, self.mode) for name in names}

    @property
    def mode(self) -> ClockMode:
        # The twin's clock is no mode of a cluster.
        return clock_mode.FAST if self.clock == clock_mode.FAST.name else clock_mode.HONEST

    def results(self) -> tuple[Result, ...]:
        wanted = {(loaded.scenario.name, v.name) for loaded, vs in self.wanted for v in vs}
        found = proof_state.results(self.state, self.store, self.digests, clock=self.clock)
        return tuple(each for each in found if (each.scenario, each.variant) in wanted)

    def left(self) -> tuple[tuple[int, Loaded, tuple[Variant, ...]], ...]:
        return proof_state.missing(self.results(), self.wanted, self.times)

    def play(self, place: Place, playing: Playing, budget: Budget | None = None) -> None:
        """Play what is left, of which nothing is lost once it is judged. Raises LabError."""
        estimates, digests = Estimates.at(place, self.store), self.digests
        planned = [
            Planned(loaded, variants, estimates.seconds(loaded.scenario, variants), number)
            for number, loaded, variants in self.left()
        ]
        if budget is not None:
            planned.sort(key=lambda each: (each.round, each.expected_s))

        def tell(case: Case) -> None:
            if case.verdict:
                name = case.scenario
                self.state.add(Entry(name, case.variant, case.run, digests[name]))
            elif case.error:
                self.state.fail(Failure(case.scenario, case.variant, case.error))
            told = case.verdict.outcome.value if case.verdict else case.reasons[0]
            say(f"{case.scenario} {case.variant}, round {case.round}: {told}")

        self.state.try_again()
        Series(place, playing, estimates, tell, budget).play(planned)

    def table(self, stage: str) -> str:
        left = Counter(
            f"{loaded.scenario.name} {variant.name}"
            for _, loaded, variants in self.left()
            for variant in variants
        )
        return proof_table.render(
            self.results(),
            stage=stage,
            date=proof_state.span(self.results()),
            machine=describe_machine(),
            failures=self.state.failures,
            left=[f"{who} ({count})" for who, count in left.items()],
        )

    @property
    def exit_code(self) -> int:
        """The worst of all that is known; while something is left, not all is proved."""
        codes = [tally.code_of(each.verdict) for each in self.results()]
        codes += [EXIT_FAILED] * len(self.state.failures) + [EXIT_INVALID] * bool(self.left())
        return tally.worst(codes)


def main(argv: Sequence[str]) -> int:
    for number in _ENDING:
        signal.signal(number, _interrupt)
    try:
        return prove(_options(argv))
    except LabError as error:
        say(f"Error: {error.message}")
        if error.hint:
            say(f"Hint: {error.hint}")
        return error.exit_code


def prove(options: argparse.Namespace) -> int:
    paths = find_paths()
    store = Store(options.runs.absolute(), owner=paths.caller) if options.runs else Store.of(paths)
    title = proof_state.title(options.stage, options.clock)
    state = State.load(store.root / f"proof-{title}.json", owner=paths.caller)
    if options.afresh:
        state.forget()
    folder = options.scenarios or content.folder("scenarios")
    wanted = choose(folder, options.stage, only=options.only, proofs=options.proofs)
    progress = Lines(sys.stderr)
    place = choice.place_of(
        paths,
        options.stage,
        wanted[0][0].scenario,
        lab_name=options.name,
        progress=progress,
        clock=options.clock,
    )
    proof = Proof(folder, wanted, options.times, state, store, place.clock)
    if not options.table and proof.left():
        budget = Budget(options.budget) if options.budget else None
        proof.play(place, Playing(store, progress), budget)
    table = proof.table(options.stage)
    sys.stdout.write(table)
    if options.into:
        proof_table.put_into(options.into, title, table, owner=paths.caller)
    return proof.exit_code


def choose(folder: Path, stage: str, *, only: Sequence[str], proofs: bool) -> Wanted:
    """Return the scenarios that `stage` can show, with their variants. Raises BadInput."""
    loaded = [loader.load(folder, name) for name in only or loader.names(folder)]
    able = [each for each in loaded if stage in choice.able(each.scenario)]
    if not able:
        raise BadInput(f"there is no scenario that the stage {stage!r} can show")
    return tuple(
        (each, s.variants if proofs else (s.careless, s.careful))
        for each in able
        for s in (each.scenario,)
    )


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.proof",
        description="Play every scenario careless and careful several times and print a table. "
        "Goes on where it was ended.",
    )
    add = parser.add_argument
    add("--stage", choices=choice.NAMES, default=choice.TWIN)
    add("--clock", choices=clock_mode.NAMES, default=clock_mode.HONEST.name)
    add("--times", type=int, default=3, help="how often to play each (3)")
    add("--only", nargs="+", default=[], metavar="SCENARIO", help="only these")
    add("--proofs", action="store_true", help="play control and mutations too")
    add("--budget", type=read_budget, metavar="TIME", help="begin nothing that would take longer")
    add("--table", action="store_true", help="play nothing, show what there is")
    add("--into", type=Path, metavar="FILE", help="put the table between its marks there, too")
    add("--afresh", action="store_true", help="forget what was proved before")
    add("--name", default="lab", metavar="LAB", help="which lab (lab)")
    add("--runs", type=Path, metavar="DIR", help="where runs are kept")
    add("--scenarios", type=Path, metavar="DIR", help="a folder of scenarios other than lab's own")
    return parser.parse_args(argv)


def read_budget(text: str) -> float:
    try:
        return read_time(text)
    except typer.BadParameter as exc:
        raise argparse.ArgumentTypeError(exc.message) from exc


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted("interrupted", hint="the same command goes on")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
