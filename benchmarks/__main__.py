"""python -m benchmarks: print a table of what a lab costs, and write it as JSON."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import cold, table
from benchmarks.figures import Report
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.measures import Measures
from benchmarks.workplace import workplace
from lab import artifacts
from lab.errors import ArtifactError, LabError
from lab.files import write_atomic
from lab.lifecycle.lab import require_root
from lab.paths import find_paths
from lab.provision.distribution import choose

PARTS = ("build", "help", "up", "life", "idle")


def main(argv: Sequence[str]) -> int:
    options = _options(argv)
    try:
        report = measure(options)
    except LabError as error:
        say(f"Error: {error.message}")
        if error.hint:
            say(f"Hint: {error.hint}")
        return error.exit_code
    sys.stdout.write(table.render(report))
    if options.json:
        content = json.dumps(asdict(report), indent=2) + "\n"
        write_atomic(options.json, content, owner=find_paths().caller, mode=0o644)
    return 0


def measure(options: argparse.Namespace) -> Report:
    require_root("up")
    recipes, paths = choose("kubeadm").recipes(), find_paths()
    if missing := artifacts.missing(recipes, paths):
        raise ArtifactError(
            f"not in the cache: {', '.join(missing)}", hint="sudo lab artifacts build"
        )
    built = artifacts.locate(recipes, paths)
    date = datetime.now(UTC).isoformat(sep=" ", timespec="minutes")
    report = Report(date, describe_machine(), describe_versions(built))
    parts = set(options.only or PARTS)
    if "build" in parts:
        report.add("Building, as it was when the cache was filled", cold.recorded(built))
    if options.cold:
        report.add("Building with nothing cached", cold.measured())
    with workplace() as place:
        measures = Measures(place, report, say)
        if "help" in parts:
            measures.help()
        if parts & {"up", "life", "idle"}:
            measures.measure(
                runs=options.runs,
                shell="up" in parts,
                life="life" in parts,
                resting="idle" in parts,
            )
    return report


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what a lab costs on this host. Needs root and a filled cache.",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--runs", type=int, default=3, help="how often to bring each up (3)")
    parser.add_argument("--only", choices=PARTS, nargs="+", help="measure only these parts")
    parser.add_argument(
        "--cold", action="store_true", help="also build everything anew, in a cache of its own"
    )
    return parser.parse_args(argv)


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
