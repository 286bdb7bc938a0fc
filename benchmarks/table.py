"""The report as Markdown."""

from collections.abc import Iterator

from benchmarks.figures import Figure, Report


def render(report: Report) -> str:
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"Measured {report.date}: {_join(report.machine)}."
    yield ""
    yield f"Versions: {_join(report.versions)}."
    for section in report.sections:
        yield from ("", f"### {section.title}", "")
        yield "| what | median | all | aim | |"
        yield "|---|--:|---|--:|---|"
        yield from map(_row, section.figures)
    if report.runs:
        yield from ("", "Order of runs (load average before each):")
        yield "; ".join(f"{run.what} {run.seconds:.1f} s ({run.load:.1f})" for run in report.runs)


def _row(figure: Figure) -> str:
    several = len(figure.values) > 1
    values = ", ".join(_number(value) for value in sorted(figure.values)) if several else ""
    aim = "" if figure.aim is None else f"≤ {figure.aim:g}{_unit(figure)}"
    verdict = {True: "met", False: "**missed**", None: ""}[figure.is_met]
    notes = "; ".join(filter(None, (verdict, figure.note)))
    return (
        f"| {figure.name} | {_number(figure.median)}{_unit(figure)} | {values} | {aim} | {notes} |"
    )


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _unit(figure: Figure) -> str:
    return f" {figure.unit}" if figure.unit else ""


def _join(values: dict[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
