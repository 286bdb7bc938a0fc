"""Which of the long-running parts of the real tier is it the turn of?

Together they take longer than every push may. A commit runs one of them, chosen by its own
hash, so that a failure can be seen again, and over some commits all have been run;
`--rotation NAME` asks for one, `--rotation all` for all.
"""

import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path

ALL = "all"
PARTS = (
    "failures",
    "faults",
    "interruptions",
    "k3s",
    "kind",
    "kind-ci",
    "migrations",
    "own-cluster",
    "own-hosts",
    "own-nodes",
    "pages",
    "servers",
    "service",
    "twin",
)
# Where tests that need a real PostgreSQL are many, and the part they then belong to.
OF_ROOMS = {"chirps": "service", "goose": "migrations", "twin": "twin"}

# Which scenarios take turns on six nodes, careless and careful, and on the twin in all their forms:
# those that were seen there.
SEEN = {
    "boot-race-double-apply": ("sandbox", "twin"),
    "drain-vs-pdb": ("sandbox",),
    "ghost-pod-contract": ("sandbox",),
    "hook-poisoned-rollback": ("sandbox", "twin"),
    "lock-queue": ("sandbox", "twin"),
    "not-null-default-dropped": ("sandbox", "twin"),
    "shallow-ready-bad-config": ("sandbox", "twin"),
    "shared-dep-readiness": ("sandbox", "twin"),
    "undo-into-the-wall": ("sandbox", "twin"),
    "unordered-apply": ("sandbox", "twin"),
}


def chosen(asked: str | None, commit: str) -> Collection[str]:
    """Return the parts to run. Raises ValueError for one that there is not."""
    if asked == ALL:
        return PARTS
    if asked is not None and asked not in PARTS:
        raise ValueError(f"--rotation {asked!r} is none of {', '.join((*PARTS, ALL))}")
    return (asked or by_commit(commit[:8], PARTS),)


def by_commit(digits: str, parts: Sequence[str]) -> str:
    return parts[int(digits, 16) % len(parts)]


def scenario_in_turn(commit: str, stage: str) -> str:
    """Return the name of one that was seen there, other than the one that always runs."""
    seen = sorted(name for name, stages in SEEN.items() if stage in stages)
    # Other digits than those of the part, which some would never meet otherwise.
    return by_commit(commit[8:16], seen)


def commit_of(repository: Path) -> str:
    """Return the hash of the commit that is checked out; of all zeros outside of git."""
    command = ["git", "-C", str(repository), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "0" * 40
    return done.stdout.strip() if done.returncode == 0 else "0" * 40
