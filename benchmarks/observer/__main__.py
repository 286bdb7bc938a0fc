"""python -m benchmarks.observer: punctuality and cost of the load, beside vegeta's.

Both put the same load, by turns, on one program on the loopback that answers at once.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.machine import describe_machine, load_average
from benchmarks.observer import generators
from benchmarks.observer.programs import Programs, serving, vegeta_version
from benchmarks.observer.punctuality import Result
from lab.errors import LabError
from lab.progress import Silent

RATES = (60, 200, 1000)


def main(argv: Sequence[str]) -> int:
    options = _options(argv)
    try:
        built = options.programs
        programs = Programs.found_in(built) if built else Programs.build(Silent())
    except LabError as error:
        sys.stderr.write(f"Error: {error.message}\n")
        return error.exit_code
    before = load_average()
    results = list(measure(programs, options.rates, seconds=options.seconds))
    sys.stdout.write(render(results, load=before))
    if options.json:
        options.json.write_text(json.dumps(generators.as_json(results), indent=2) + "\n")
    return 0


def measure(programs: Programs, rates: Sequence[int], *, seconds: float) -> Iterator[Result]:
    for rate in rates:
        for keep in (False, True):
            with serving(programs.target) as url:
                yield generators.ours(url, rate=rate, seconds=seconds, keep=keep)
                yield generators.vegeta(programs.vegeta, url, rate=rate, seconds=seconds, keep=keep)


def render(results: Sequence[Result], *, load: float) -> str:
    machine = describe_machine()
    lines = [
        f"{machine['CPU']}, {machine['cores']} cores, {machine['kernel']}; load average {load:.1f}"
        f" at the start; vegeta {vegeta_version()}, priority {_priority()}.",
        "",
        "| requests/s | connections | tool | lag p50 | p99 | max (ms) | CPU | sent | failed |",
        "|--:|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for each in results:
        lag = each.lag
        lines.append(
            f"| {each.rate} | {each.connections} | {each.tool} | {lag.p50:.2f} | {lag.p99:.2f}"
            f" | {lag.greatest:.2f} | {each.cpu:.1%} | {each.sent} | {each.failed} |"
        )
    return "\n".join(lines) + "\n"


def _priority() -> str:
    return "-10 for both" if os.geteuid() == 0 else "as given to this user"


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.observer", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="how long each load lasts (10)")
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, metavar="N")
    parser.add_argument("--programs", type=Path, metavar="DIR", help="have them built already")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
