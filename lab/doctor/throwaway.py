"""Use a function of the kernel where nothing of it stays: in namespaces that end with the program.

Programs read their work from standard input instead of starting others, so that the end of
the one that is bounded is the end of all.
"""

import shutil

from lab.errors import CommandFailed, ToolMissing
from lab.machines.commands import run

BOUND_S = 1.5


def in_network(*argv: str, work: str) -> None:
    """Feed `work` to `argv` in a new network namespace; raises as `run` does."""
    # unshare would start and then fail, as if the kernel had refused.
    if shutil.which(argv[0]) is None:
        raise ToolMissing(f"program {argv[0]!r} was not found", hint="lab doctor")
    run(["unshare", "--net", *argv], input=work, timeout_s=BOUND_S)


def in_mounts(script: str, *arguments: str) -> None:
    """Run a shell script in a new mount namespace of which the host sees nothing."""
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-es", *arguments]
    run(argv, input=script, timeout_s=BOUND_S)


def refuses(*namespaces: str) -> bool:
    """Return whether the kernel refuses to make these kinds of namespace together."""
    kinds = [f"--{namespace}" for namespace in namespaces]
    try:
        run(["unshare", *kinds, "--fork", "--kill-child", "true"], timeout_s=BOUND_S)
    except CommandFailed:
        return True
    return False
