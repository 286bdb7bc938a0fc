"""python -m benchmarks.first_verdict: from `pip install .` to the first verdict of somebody new.

As a user with an empty home: a virtual environment, pip, then the twin's careless and careful
run. Where root runs it, the scenario runs as somebody who may nothing and sees only loopback.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import describe_machine, load_average
from benchmarks.timing import timed
from lab.errors import LabError

ROOT = Path(__file__).parents[1]
SCENARIO = "half-migrated-rename"
OURS = ("LAB_", "XDG_", "PG", "PYTHON")
ALONE = (
    *("unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"),
    *("unshare", "--user", "--map-user=1000", "--map-group=1000"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """What a user does, and the seconds until it was done."""

    title: str
    seconds: float


def main() -> int:
    before = load_average()
    try:
        with tempfile.TemporaryDirectory(prefix="first-", dir="/tmp") as directory:
            steps = measure(Path(directory))
    except LabError as error:
        sys.stderr.write(f"Error: {error.message}\n")
        return error.exit_code
    about = {
        **describe_machine(),
        "load average before and after": f"{before:.1f} and {load_average():.1f}",
    }
    sys.stdout.write("\n".join(render(steps, about)) + "\n")
    return 0


def measure(directory: Path) -> list[Step]:
    """Do it all below `directory`, which must be empty. Raises CommandFailed."""
    directory.chmod(0o755)
    environ = of_a_new_user(directory, os.environ)
    venv = directory / "venv"
    lab = [str(venv / "bin/lab"), "scenario", "run", SCENARIO, "--stage", "twin", "--json"]
    return [
        step("python3 -m venv", [sys.executable, "-m", "venv", str(venv)], environ),
        step("pip install .", [str(venv / "bin/pip"), "install", "-q", str(ROOT)], environ),
        first_verdict([*alone(), *lab], environ),
        step("the same once more", [*alone(), *lab], environ),
    ]


def of_a_new_user(home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which nothing of lab and Python is set."""
    ours = {name: "" for name in environ if name.startswith(OURS)}
    return {**ours, "HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home / ".cache")}


def alone() -> tuple[str, ...]:
    return ALONE if os.geteuid() == 0 else ()


def step(title: str, argv: Sequence[str], environ: Mapping[str, str]) -> Step:
    started = time.monotonic()
    timed(argv, env=environ, timeout_s=600)
    return Step(title, time.monotonic() - started)


def first_verdict(argv: Sequence[str], environ: Mapping[str, str]) -> Step:
    started = time.monotonic()
    told = json.loads(timed(argv, env=environ, timeout_s=600).output)
    outcomes = ", ".join(f"{each['variant']} {each['outcome']}" for each in told)
    return Step(f"lab scenario run {SCENARIO} --stage twin: {outcomes}", time.monotonic() - started)


def render(steps: Sequence[Step], about: Mapping[str, str]) -> list[str]:
    """Return the lines of a Markdown table, with the sum of all but the last step."""
    rows = [f"| {each.title} | {each.seconds:.1f} s |" for each in steps]
    total = sum(each.seconds for each in steps[:-1])
    facts = [f"- {name}: {value}" for name, value in about.items()]
    table = ["| step | wall time |", "|---|---|", *rows[:-1]]
    return [*facts, "", *table, f"| from nothing to both verdicts | {total:.1f} s |", rows[-1]]


if __name__ == "__main__":
    sys.exit(main())
