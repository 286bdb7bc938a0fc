"""python -m benchmarks.kind: a cluster of kind against six nodes of the sandbox, in one run.

Docker is started for this alone, in a network that leads nowhere, and its node image is lab's. With
`half-migrated-rename --budget 10m` what is printed is: how long each takes from nothing to a
service that answers, the wall time of a smoke run, and what came of scenarios on sandbox, kind and
twin side by side.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.machine import describe_machine
from lab.lifecycle.lab import require_root
from lab.paths import find_paths
from tests.docker import daemon
from tests.docker.home import DockerHome
from tests.e2e.home import Home

BOUND_S = 1500.0
STAGES = ("sandbox", "kind", "twin")


@dataclass(frozen=True, slots=True)
class Serving:
    """Seconds of each phase of `lab up` and `lab deploy`, by its title, and of both commands."""

    up_s: float
    deploy_s: float
    phases: Mapping[str, float]

    @property
    def total_s(self) -> float:
        return self.up_s + self.deploy_s


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario on one stage, by variant, and how long the command took."""

    stage: str
    scenario: str
    outcomes: Mapping[str, str]
    seconds: float


def main(argv: Sequence[str]) -> int:
    options = read_options(argv)
    require_root("up")
    say(", ".join(f"{name} {value}" for name, value in describe_machine().items()))
    found = load(options.json)
    with place() as homes:
        for stage in options.stages:
            found += on(homes[stage], stage, options)
        if found:
            say("\n".join(table(found)))
        save(options.json, found)
        if options.budget:
            smoke(homes["kind"], options)
    return 0


def read_options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kind")
    parser.add_argument("scenario", nargs="*", help="what to play; none measures only the service")
    parser.add_argument("--stages", nargs="*", choices=STAGES, default=STAGES, help="only these")
    parser.add_argument("--budget", help="also play a smoke run with that budget, as 10m")
    parser.add_argument("--nodes", default="6", help="of both clusters (6)")
    parser.add_argument("--json", type=Path, help="keeps outcomes from one call to the next")
    parser.add_argument("--runs", type=Path, help="keeps the runs, as for benchmarks.agreement")
    return parser.parse_args(argv)


def load(file: Path | None) -> list[Outcome]:
    if file is None or not file.exists():
        return []
    return [Outcome(**each) for each in json.loads(file.read_text())]


def save(file: Path | None, found: Sequence[Outcome]) -> None:
    if file is not None:
        file.write_text(json.dumps([asdict(each) for each in found], indent=1))


@contextmanager
def place() -> Iterator[dict[str, Home]]:
    """Give a home for each stage, and take down whatever is in them."""
    work = Path(tempfile.mkdtemp(prefix="lab-benchmark-", dir="/var/tmp"))
    cache = find_paths().cache.parent
    try:
        (work / "docker").mkdir()
        with daemon.running(work / "docker") as docker:
            sandbox = Home(work / "sandbox", cache)
            kind = DockerHome(work / "kind", cache, docker=docker)
            try:
                yield {"sandbox": sandbox, "kind": kind, "twin": sandbox}
            finally:
                sandbox.remove_all()
                kind.remove_all()
    finally:
        shutil.rmtree(work)


def on(home: Home, stage: str, options: argparse.Namespace) -> Iterator[Outcome]:
    """Bring a lab up where the stage needs one, tell how long that took, and play on it."""
    if stage == "twin":
        yield from (play(home, stage, each, kept(options)) for each in options.scenario)
        return
    where = ("--on", "kind") if stage == "kind" else ()
    serving = serve(home, (*where, "--nodes", options.nodes))
    say(f"\n{stage}: {serving.total_s:.1f} s from nothing to a service that answers")
    say(f"  lab up {serving.up_s:.1f} s, lab deploy {serving.deploy_s:.1f} s")
    for title, seconds in serving.phases.items():
        say(f"  {seconds:6.1f}  {title}")
    for scenario in options.scenario:
        yield play(home, stage, scenario, kept(options))
    started = time.monotonic()
    home.must("down", "--yes")
    say(f"{stage}: lab down {time.monotonic() - started:.1f} s")


def serve(home: Home, options: tuple[str, ...]) -> Serving:
    up_s, up = timed(home, "up", *options)
    deploy_s, deployed = timed(home, "deploy")
    phases = {each["phase"]: each["seconds"] for each in (*up["phases"], *deployed["phases"])}
    return Serving(up_s, deploy_s, phases)


def timed(home: Home, *arguments: str) -> tuple[float, Mapping[str, list[Mapping[str, float]]]]:
    started = time.monotonic()
    told = json.loads(home.must(*arguments, "--json", timeout_s=BOUND_S))
    return time.monotonic() - started, told


def kept(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the arguments that say where runs are kept; by default they go with the home."""
    return ("--runs", str(options.runs.absolute())) if options.runs else ()


def play(home: Home, stage: str, scenario: str, kept: tuple[str, ...]) -> Outcome:
    started = time.monotonic()
    where = ("--stage", stage, *kept, "--json")
    done = home.lab("scenario", "run", scenario, *where, timeout_s=BOUND_S)
    seconds = time.monotonic() - started
    told = json.loads(done.stdout) if done.stdout.strip() else []
    outcomes = {each["variant"]: each["outcome"] or "not played" for each in told}
    say(f"{stage}: {scenario} {outcomes or done.stderr.strip()} in {seconds:.1f} s")
    return Outcome(stage, scenario, outcomes, seconds)


def smoke(home: Home, options: argparse.Namespace) -> None:
    on = ("ci", "--on", "kind", "--nodes", options.nodes)
    arguments = (*on, "--budget", options.budget, *kept(options))
    started = time.monotonic()
    done = home.lab(*arguments, timeout_s=BOUND_S)
    say(f"\nlab {' '.join(arguments)}: exit {done.returncode}")
    say(f"  {time.monotonic() - started:.1f} s of wall time\n{done.stdout}")
    assert isinstance(home, DockerHome)
    say(f"  left behind: {home.left() or 'nothing'}")


def table(found: Sequence[Outcome]) -> Iterator[str]:
    """Yield the lines of a Markdown table: a row for each variant, a column for each stage."""
    yield ""
    yield f"| scenario | variant | {' | '.join(STAGES)} |"
    yield f"|---|---|{'---|' * len(STAGES)}"
    cells = {(each.scenario, each.stage): each.outcomes for each in found}
    for scenario in dict.fromkeys(each.scenario for each in found):
        told = [cells.get((scenario, stage), {}) for stage in STAGES]
        for variant in dict.fromkeys(name for outcomes in told for name in outcomes):
            row = " | ".join(outcomes.get(variant, "-") for outcomes in told)
            yield f"| {scenario} | {variant} | {row} |"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
