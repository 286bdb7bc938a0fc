"""`status` for people: one line a version, and what it comes to."""

from typing import Any

from lab.chirps.migrate import Line, State, Status

HEAD = f"version  state    phase     {'applied at':<19}  file"


def listing(status: Status) -> str:
    floor = "" if status.floor is None else f"; compat floor {status.floor}"
    last = f"the database has version {status.version}{floor}: {verdict(status)}"
    return "\n".join((HEAD, *map(row, status.lines), last))


def row(line: Line) -> str:
    applied = moment(line.applied_at)
    name = line.name or "-"
    return f"{line.version:>7}  {line.state:<7}  {line.phase or '-':<8}  {applied:<19}  {name}"


def verdict(status: Status) -> str:
    unknown = [str(line.version) for line in status.lines if line.state is State.UNKNOWN]
    if unknown:
        # What another track or a newer release applied: nothing to do here is not the same.
        return f"ahead of these files, which do not know {', '.join(unknown)}; see --track"
    return "up to date" if status.is_up_to_date else "not up to date"


def moment(value: Any) -> str:
    return "-" if value is None else str(value.isoformat(sep=" ", timespec="seconds"))
