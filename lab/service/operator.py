"""Ask the service's own program what an operator would ask, from the operator's pod."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.errors import ServiceNotReady
from lab.lifecycle.access import kubectl_program
from lab.lifecycle.lab import Lab
from lab.service.names import NAMESPACE, OPERATOR_POD

BOUND_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`code` is the exit code: 0 yes, 1 no, 2 cannot tell; `told` what a program reads."""

    code: int
    told: dict[str, Any]


def ask(lab: Lab, arguments: Sequence[str]) -> Answer:
    """Run `chirps migrate <arguments> --json`; raises ServiceNotReady without an answer."""
    kubectl, environment = kubectl_program(lab)
    command = ["chirps", "migrate", *arguments, "--json"]
    try:
        done = subprocess.run(
            [*kubectl, "exec", "--quiet", "-n", NAMESPACE, OPERATOR_POD, "--", *command],
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ServiceNotReady(f"no answer within {BOUND_S:g} s", hint=_hint(arguments)) from exc
    return read(done.returncode, done.stdout, done.stderr, arguments)


def read(code: int, out: str, err: str, arguments: Sequence[str]) -> Answer:
    """Return the answer. kubectl itself fails with 1 as well, but writes no JSON then."""
    try:
        told = json.loads(out)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        last = err.strip().splitlines()[-1:] or ["it wrote nothing"]
        raise ServiceNotReady(
            f"the operator's pod did not answer: {last[0]}", hint=_hint(arguments)
        )
    return Answer(code, told)


def _hint(arguments: Sequence[str]) -> str:
    return f"lab chirps migrate {' '.join(arguments)}"
