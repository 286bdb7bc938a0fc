"""python -m benchmarks.agreement: do the stages on which a scenario was played say the same?

Of each variant and stage the newest stored run counts that could be trusted.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from lab.paths import find_paths
from lab.report.words import times
from lab.store import Store

Told = Mapping[str, Any]
"""What `lab scenario run --json` tells of one variant."""
Way = tuple[str, str, str]
"""Release, SQLSTATE and endpoint of a failure."""

STAGES = ("sandbox", "kind", "twin")
VARIANTS = ("careless", "careful")
FEWEST = 0.02
"""Fewer are left to chance: what few requests met in the moment of a change."""


def agree(one: Told, other: Told) -> bool:
    """Say whether two stages had the same outcome, and what failed on one did on the other."""
    return (
        one["outcome"] == other["outcome"]
        and ways(one, FEWEST) <= ways(other)
        and ways(other, FEWEST) <= ways(one)
    )


def ways(told: Told, share: float = 0.0) -> frozenset[Way]:
    """Return the ways to fail that make at least that share of all failures."""
    rows = told["signature"]
    total = sum(row["count"] for row in rows)
    return frozenset(
        (row["release"], row["sqlstate"], row["endpoint"])
        for row in rows
        if row["count"] >= share * total
    )


def newest(runs: Iterable[Iterable[Told]]) -> dict[tuple[str, str], dict[str, Told]]:
    """Return (scenario, variant) → stage → what was told; `runs` come oldest first."""
    found: dict[tuple[str, str], dict[str, Told]] = {}
    for told in (each for run in runs for each in run):
        if told["variant"] in VARIANTS and told["outcome"] not in (None, "invalid"):
            key = (told["scenario"], told["variant"])
            found.setdefault(key, {})[told["stage"]] = told
    return found


def table(found: Mapping[tuple[str, str], Mapping[str, Told]]) -> Iterator[str]:
    """Yield a Markdown table: a row for each variant, a column for each stage."""
    yield f"| scenario | variant | {' | '.join(STAGES)} | agree |"
    yield f"|---|---|{'---|' * len(STAGES)}---|"
    for (scenario, variant), by_stage in sorted(found.items()):
        cells = [by_stage[stage]["outcome"] if stage in by_stage else "-" for stage in STAGES]
        yield f"| {scenario} | {variant} | {' | '.join(cells)} | {verdict(by_stage)} |"


def verdict(by_stage: Mapping[str, Told]) -> str:
    if len(by_stage) < 2:
        return "one stage"
    if not all(agree(one, other) for one, other in combinations(by_stage.values(), 2)):
        return "NO"
    failed = frozenset[Way]().union(*(ways(told, FEWEST) for told in by_stage.values()))
    return f"yes, {times(len(failed), 'way', 'ways')} to fail" if failed else "yes, nothing fails"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="where runs are kept")
    options = parser.parse_args(argv)
    paths = find_paths()
    store = Store(options.runs.absolute(), owner=paths.caller) if options.runs else Store.of(paths)
    found = newest(store.objects(run) for run in sorted(store.runs(), key=lambda run: run.name))
    sys.stdout.write("\n".join(table(found)) + "\n")
    return int(any(verdict(by_stage) == "NO" for by_stage in found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
