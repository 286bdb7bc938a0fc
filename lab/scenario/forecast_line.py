"""Lines made of steps: a value that holds from one second until the next.

A line is 0 before its first point. Seconds count from the first fault.
"""

from collections.abc import Callable

from lab.scenario.forecast import Point

Line = tuple[Point, ...]


def at(line: Line, second: float) -> float:
    return next((value for begin, value in reversed(line) if begin <= second), 0.0)


def combined(rule: Callable[..., float], *lines: Line) -> Line:
    """Return the line of `rule(value, ...)` of what each line is worth, at every step of any."""
    seconds = sorted({second for line in lines for second, _ in line})
    return tuple((each, rule(*(at(line, each) for line in lines))) for each in seconds)


def times(line: Line, factor: float) -> Line:
    return tuple((second, value * factor) for second, value in line)


def added(*lines: Line) -> Line:
    return combined(lambda *values: sum(values), *lines)


def between(line: Line, begin: float, end: float) -> Line:
    """Return the line where it counts: 0 before `begin`, and from `end` on."""
    within = [(second, value) for second, value in line if begin < second < end]
    return ((begin, at(line, begin)), *within, (end, 0.0))


def drawn(line: Line) -> Line:
    """Return the same line, beginning at 0 or earlier, with steps that can be seen only."""
    kept: list[Point] = [] if line and line[0][0] <= 0 else [(0.0, 0.0)]
    for second, value in line:
        point = (round(second, 2), round(value, 2))
        if kept and kept[-1][0] == point[0]:
            kept.pop()
        if not kept or kept[-1][1] != point[1]:
            kept.append(point)
    return tuple(kept)
