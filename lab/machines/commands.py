"""Run a program of the host and return what it printed."""

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence

from lab.errors import CommandFailed, ToolMissing

SHOWN_LINES = 10


def run(
    argv: Sequence[str],
    *,
    input: str | None = None,  # noqa: A002 - the name subprocess gave it
    timeout_s: float = 30,
    env: Mapping[str, str] | None = None,
    own_group: bool = False,
) -> str:
    """Return the standard output of `argv`; `env` is added to the own environment.

    In a group of its own it does not hear Ctrl-C on the terminal, only lab does.

    Raises ToolMissing when there is no such program, and CommandFailed with the command
    in pasteable form, its exit status and the last lines of its output.
    """
    try:
        done = subprocess.run(
            argv,
            # Without input it reads nothing, rather than the user's terminal.
            input=input if input is not None else "",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            env={**os.environ, **(env or {})},
            check=False,
            process_group=0 if own_group else None,
        )
    except FileNotFoundError as exc:
        raise ToolMissing(f"program {argv[0]!r} was not found", hint="lab doctor") from exc
    except subprocess.TimeoutExpired as exc:
        raise CommandFailed(f"`{shlex.join(argv)}` did not end within {timeout_s:g} s") from exc
    if done.returncode != 0:
        raise CommandFailed(describe_failure(argv, done.returncode, done.stderr or done.stdout))
    return done.stdout


def describe_failure(argv: Sequence[str], status: int, output: str) -> str:
    """Say how `argv` ended; a negative `status` is the signal that killed it."""
    how = f"failed with exit status {status}" if status >= 0 else f"was killed by {_name(-status)}"
    said = "\n".join(output.strip().splitlines()[-SHOWN_LINES:])
    return f"`{shlex.join(argv)}` {how}" + (f": {said}" if said else "")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name of their own
        return f"signal {number}"
