"""python -m benchmarks.agreement: do the stages on which a scenario was played say the same?

Of each variant and stage the newest stored run counts that could be trusted.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
"""What few requests met in the moment of a change is left to chance, on one stage as well."""


def essence(told: Told) -> tuple[str, frozenset[Way]]:
    """Return what stages must agree in: the outcome, and what failed how and where."""
    return told["outcome"], frozenset(ways(told["signature"]))


def ways(signature: Sequence[Mapping[str, Any]]) -> Iterator[Way]:
    """Yield the ways to fail that make at least FEWEST of all failures."""
    total = sum(row["count"] for row in signature)
    for row in signature:
        if row["count"] >= FEWEST * total:
            yield row["release"], row["sqlstate"], row["endpoint"]


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
    said = {essence(told) for told in by_stage.values()}
    if len(said) > 1:
        return "NO"
    ((_, failed),) = said
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
