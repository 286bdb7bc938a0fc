"""python -m benchmarks.scenario: deploy, reset and play a scenario several times, as a table.

Every run is listed with its outcome, also one that proved nothing; careless and careful
take turns in being first, so that neither has the warmer caches.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import table
from benchmarks.figures import Figure, Report
from benchmarks.lab_command import NAME
from benchmarks.machine import describe_machine, load_average, program
from benchmarks.workplace import Workplace, workplace
from lab import artifacts
from lab.artifacts.serviceimages import DIRECTORY
from lab.errors import CommandFailed
from lab.lifecycle.cache import all_recipes
from lab.lifecycle.lab import require_root
from lab.machines.commands import describe_failure
from lab.paths import find_paths

SCENARIO = "half-migrated-rename"
VARIANT_AIM_S = 120.0
IMPORT_AIM_S = 8.0
RESET_AIM_S = 8.0
RESETS = 5
JUDGED = (0, 1, 3)


@dataclass(frozen=True, slots=True)
class Row:
    """One run of one variant: its verdict as `--json` shows it, and how the observer was."""

    told: Mapping[str, Any]
    health: tuple[Mapping[str, Any], ...]
    load: float

    def check(self, beginning: str) -> str:
        """Return predicted / measured of the check whose name begins so, empty without one."""
        for each in self.told["checks"]:
            if each["name"].startswith(beginning):
                return f"{each['predicted']:.0f} / {each['measured']:.0f}"
        return ""


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scenario")
    parser.add_argument("--runs", type=int, default=5, help="how often to play it (5)")
    options = parser.parse_args(argv)
    require_root("up")
    report = Report(
        datetime.now(UTC).isoformat(sep=" ", timespec="minutes"), describe_machine(), {}
    )
    report.add("Images", image_sizes())
    with workplace() as place:
        say("bringing a lab up")
        place.lab.up()
        report.add("Deploy", deploy(place))
        report.add("Reset", [reset(place)])
        rows = [row for number in range(options.runs) for row in play(place, number)]
    sys.stdout.write(table.render(report) + "\n" + "\n".join(lines(rows)) + "\n")
    return 0


def image_sizes() -> list[Figure]:
    located = artifacts.locate(all_recipes(), find_paths())
    archives = sorted(
        archive
        for name, artifact in located.items()
        if name.endswith("-images")
        for archive in (artifact.tree / DIRECTORY).glob("*.tar")
    )
    return [Figure(f"archive {path.name}", "MB", (path.stat().st_size / 1e6,)) for path in archives]


def deploy(place: Workplace) -> list[Figure]:
    phases = json.loads(place.lab.call("deploy", "--json").output)["phases"]
    aims = {"Importing the service's images": IMPORT_AIM_S}
    figures = [Figure(p["phase"], "s", (p["seconds"],), aims.get(p["phase"])) for p in phases]
    again = place.lab.call("deploy", "--json").seconds
    return [*figures, Figure("lab deploy, nothing to do", "s", (again,))]


def reset(place: Workplace) -> Figure:
    took = tuple(place.lab.call("reset").seconds for _ in range(RESETS))
    return Figure("lab reset", "s", took, RESET_AIM_S)


def play(place: Workplace, number: int) -> Iterator[Row]:
    order = ("careless", "careful") if number % 2 == 0 else ("careful", "careless")
    for variant in order:
        before = load_average()
        told = judged(place, variant)
        say(f"{variant}: {told['outcome']} (load {before:.1f})")
        history = place.lab.paths.state / "runs" / told["run"] / variant / "history.jsonl"
        yield Row(told, tuple(health_of(history)), before)


def judged(place: Workplace, variant: str) -> dict[str, Any]:
    """Play a variant; a verdict that is not as predicted is a figure too, and no failure."""
    argv = [program("lab"), "scenario", "run", SCENARIO, "--name", NAME, "--variant", variant]
    done = subprocess.run(
        [*argv, "--json", "--no-retry"],
        capture_output=True,
        text=True,
        env={**os.environ, **place.lab.environment},
        timeout=600,
        check=False,
    )
    if done.returncode not in JUDGED:
        raise CommandFailed(describe_failure(argv, done.returncode, done.stderr))
    told: dict[str, Any] = json.loads(done.stdout)[0]
    return told


def health_of(history: Path) -> Iterator[dict[str, Any]]:
    for line in history.read_text().splitlines():
        event = json.loads(line)
        if event["kind"] == "health":
            yield event


def lines(rows: Sequence[Row]) -> Iterator[str]:
    yield f"### {SCENARIO}, {len(rows) // 2} times each, in the order of playing"
    yield ""
    yield (
        "| variant | outcome | wall | requests | failed | fresh: predicted / measured "
        "| keepalive | lag p99, worst second | lag max | observer CPU | load before |"
    )
    yield "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    yield from map(_row, rows)
    yield ""
    for variant in ("careless", "careful"):
        own = [row for row in rows if row.told["variant"] == variant]
        walls = [row.told["figures"]["wall_s"] for row in own]
        outcomes = Counter(row.told["outcome"] for row in own)
        told = ", ".join(f"{count} of {len(own)} {name}" for name, count in outcomes.items())
        median = statistics.median(walls)
        yield f"{variant}: {told}; median {median:.0f} s, aim ≤ {VARIANT_AIM_S:g} s"


def _row(row: Row) -> str:
    figures = row.told["figures"]
    lag = max((h["lag_p99_ms"] for h in row.health), default=0.0)
    most = max((h["lag_max_ms"] for h in row.health), default=0.0)
    cpu = statistics.mean(h["cpu"] for h in row.health) if row.health else 0.0
    return (
        f"| {row.told['variant']} | {row.told['outcome']} | {figures['wall_s']:.0f} s "
        f"| {figures['requests']} | {figures['failures']} "
        f"| {row.check('number of failures, fresh')} "
        f"| {row.check('number of failures, keepalive')} "
        f"| {lag:.1f} ms | {most:.0f} ms | {cpu:.2f} | {row.load:.1f} |"
    )


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
