"""Run an inventory file and print its groups as JSON: a program of its own.

    python -P -m lab.machines.inventory_reader FILE

Prints one object: `{"groups": {NAME: {"hosts": [[NAME, DATA], ...], "data": DATA}}, "problems":
[TEXT, ...]}`, or `{"error": {"line": N, "message": TEXT}}` for a file that cannot be run to its
end. What the file itself prints goes to standard error.
"""

import json
import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any

from lab.machines.inventory import AGENTS, SERVERS

Problems = list[str]
ROLES = (*SERVERS, *AGENTS)


def main(file: str) -> None:
    # A print in the file must not end up in the middle of the answer.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # As pyinfra does it, so that a file finds what lies in the directory it is used from.
    sys.path.append(str(Path.cwd()))
    json.dump(read(file), answer)
    answer.close()


def read(file: str) -> dict[str, Any]:
    space: dict[str, Any] = {"__file__": file, "__name__": "inventory"}
    try:
        exec(compile(Path(file).read_bytes(), file, "exec"), space)  # noqa: S102 - its purpose
    except SyntaxError as exc:
        # Also one in a module that the file imports, which then has a name of its own.
        where = "" if exc.filename == file else f" in {exc.filename}, line {exc.lineno}"
        line = exc.lineno if exc.filename == file else _line(exc.__traceback__, file)
        return _error(line, f"SyntaxError{where}: {exc.msg}")
    except SystemExit as exc:
        return _error(_line(exc.__traceback__, file), f"it exits with {exc.code!r}")
    except BaseException as exc:
        # Whatever a file raises is its author's to know.
        said = f": {exc}" if str(exc) else ""
        return _error(_line(exc.__traceback__, file), f"{type(exc).__name__}{said}")
    problems: Problems = []
    groups = {name: _group(name, value, problems) for name, value in _groups(space)}
    problems += _no_groups(space, groups)
    return {"groups": groups, "problems": problems}


def _error(line: int | None, message: str) -> dict[str, Any]:
    return {"error": {"line": line or 0, "message": message}}


def _line(trace: TracebackType | None, file: str) -> int:
    """Return the last line of the file itself that was being run; 0 if none was."""
    line = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _groups(space: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what pyinfra takes for a group: a list, or a tuple of a list and shared data."""
    for name, value in space.items():
        is_pair = isinstance(value, tuple) and bool(value) and isinstance(value[0], list)
        if not name.startswith("_") and (isinstance(value, list) or is_pair):
            yield name, value


def _no_groups(space: dict[str, Any], groups: Collection[str]) -> Problems:
    """Tell of a name that should be a group, and is none for pyinfra, which says nothing of it."""
    return [
        f"{name} is of type {type(space[name]).__name__}, not a list of hosts"
        for name in ROLES
        if name in space and name not in groups
    ]


def _group(name: str, value: Any, problems: Problems) -> dict[str, Any]:
    listed, shared = value if isinstance(value, tuple) and len(value) == 2 else (value, {})
    if isinstance(listed, tuple):
        problems.append(f"{name}: it has {len(listed)} parts, not a list of hosts and their data")
        listed, shared = [], {}
    data = _data(shared, f"{name}: the data", problems)
    hosts = []
    for place, each in enumerate(listed, 1):
        host, own = each if isinstance(each, tuple) and len(each) == 2 else (each, {})
        if isinstance(host, str) and isinstance(own, dict):
            hosts.append([host, _data(own, host, problems)])
        else:
            problems.append(f"{name}: entry {place} is neither a name nor (name, data)")
    return {"hosts": hosts, "data": data}


def _data(data: Any, whose: str, problems: Problems) -> dict[str, Any]:
    """Return what JSON can carry of it; values are never told, since one may be a secret."""
    if not isinstance(data, dict):
        problems.append(f"{whose}: it is of type {type(data).__name__}, not a dict")
        return {}
    carried = {}
    for key, value in data.items():
        try:
            carried[str(key)] = json.loads(json.dumps(value, default=_plain, allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            problems.append(f"{whose}: {key} holds what is no plain data ({type(value).__name__})")
    return carried


def _plain(value: Any) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError


if __name__ == "__main__":
    main(sys.argv[1])
