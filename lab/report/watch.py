"""A run while it goes on, in a terminal: a pure function from a frame to what rich prints.

Large enough for a room where the font is; every colour comes with a word or a character.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.report import strip
from lab.report.frame import Frame

_TONES = {"fine": "bold bright_blue", "hurt": "bold bright_yellow", "plain": "bold"}
_MARKS = {"to come": "·", "waiting": "▶", "done": "✓", "failed": "✗"}
_STYLES = {"to come": "dim", "waiting": "bold", "done": "", "failed": "bold yellow"}
_CHART_ROWS = 8
_AXIS_WIDTH = 7
# What is above and below of the last table, in lines.
_FIXED = 26


def render(frame: Frame, *, width: int = 100, height: int = 40) -> RenderableType:
    """Return what to print for `frame` on a terminal of that size, in characters."""
    shown = _shown(frame)
    parts: list[RenderableType] = [_head(frame)]
    if shown is None:
        return Group(*parts, Text("\nwaiting for the run to begin", style="dim"))
    variant, told = shown
    parts += [_state(variant), _tiles(variant), *_chart(frame, told, width)]
    parts += [_side_by_side(_plan(variant), _pods(told))]
    parts += [_ways(variant), _rows(variant, max(3, height - _FIXED - len(variant["plan"])))]
    return Group(*parts)


def _shown(frame: Frame) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """Return the variant that is played, as the page has it and as charts do."""
    for variant, told in zip(
        frame["variants"], (frame["told"] or {}).get("variants", ()), strict=True
    ):
        if variant["name"] == frame["active"] or len(frame["variants"]) == 1:
            return variant, told
    return None


def _head(frame: Frame) -> RenderableType:
    run = frame["run"]
    head = Table.grid(expand=True)
    head.add_column(ratio=1)
    head.add_column(justify="right")
    head.add_row(
        Text(run["title"], style="bold", overflow="ellipsis", no_wrap=True),
        Text(", ".join(filter(None, (run["place"], run["remark"]))), style="dim"),
    )
    lines: list[RenderableType] = [head, Text(run["question"], style="dim")]
    lines += [Text(f"! {each}", style="yellow") for each in run["damage"]]
    return Group(*lines)


def _state(variant: Mapping[str, Any]) -> RenderableType:
    text = Text()
    text.append(f" {variant['name'].upper()} ", style="reverse bold")
    if variant["outcome"] == "no verdict":
        text.append(f"  {variant['phase'] or 'setup'}", style="bold")
        text.append(f"  second {variant['second']:+d}", style="dim")
    else:
        style = "bold yellow" if not variant["is_believable"] else "bold"
        text.append(f"  {variant['outcome'].upper()}", style=style)
        said = "as predicted" if variant["as_predicted"] else "not as predicted"
        text.append(f"  {said}  {variant['headline']}")
    for each in (*variant["damage"], *(() if variant["as_predicted"] else variant["reasons"])):
        text.append(f"\n! {each}", style="yellow")
    return text


def _tiles(variant: Mapping[str, Any]) -> RenderableType:
    tiles = variant["tiles"]
    table = Table.grid(expand=True, padding=(0, 1))
    for _ in tiles:
        table.add_column(ratio=1)
    table.add_row(*(Text(each["label"], style="dim") for each in tiles))
    table.add_row(*(Text(each["value"], style=_TONES[each["tone"]]) for each in tiles))
    table.add_row(*(Text(each["remark"], style="dim") for each in tiles))
    return Group(Text(""), table)


def _chart(frame: Frame, told: Mapping[str, Any], width: int) -> Iterator[RenderableType]:
    span, most = frame["told"]["x"], frame["told"]["most"]["requests"]
    rows = strip.strip(told, span, most, width=max(width - _AXIS_WIDTH, 10), height=_CHART_ROWS)
    yield Text("")
    for number, row in enumerate(rows):
        label = str(most) if number == 0 else "0" if number == _CHART_ROWS - 1 else ""
        yield _chart_row(f"{label:>{_AXIS_WIDTH - 1}} ", row)
    source = told["forecast"]["source"] if told["forecast"] else "nothing was foreseen"
    key = f"{strip.FAILED} failed  {strip.ANSWERED} answered  {strip.FORESEEN} foreseen: {source}"
    yield Text(f"{'':{_AXIS_WIDTH}}{key}", style="dim", overflow="ellipsis", no_wrap=True)
    yield Text("")


def _chart_row(label: str, row: str) -> Text:
    text = Text(label, style="dim", no_wrap=True, overflow="crop")
    for character in row:
        text.append(character, style=_CHART_STYLES.get(character, ""))
    return text


_CHART_STYLES = {strip.FAILED: "bright_yellow", strip.ANSWERED: "blue", strip.FORESEEN: "bold"}


def _side_by_side(left: RenderableType, right: RenderableType) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 2))
    table.add_column(ratio=1)
    table.add_column(ratio=1)
    table.add_row(left, right)
    return table


def _plan(variant: Mapping[str, Any]) -> RenderableType:
    lines = [Text("timeline", style="dim")]
    for step in variant["plan"]:
        mark, style = _MARKS[step["state"]], _STYLES[step["state"]]
        waits = f"until {step['when']}" if step["state"] == "waiting" and step["when"] else ""
        told = waits or step["does"]
        lines.append(Text(f"{mark} {step['at']:>8} {step['name']}  {told}", style=style))
        lines[-1].no_wrap, lines[-1].overflow = True, "ellipsis"
    return Group(*lines)


def _pods(told: Mapping[str, Any]) -> RenderableType:
    lines = [Text("pods by node", style="dim")]
    for lane in told["lanes"]:
        state, _, end = lane["spans"][-1] if lane["spans"] else ("gone", 0, 0)
        if end is not None:
            continue
        restarts = f", restarted {lane['restarts']} x" if lane["restarts"] else ""
        mark = {"ready": "●", "starting": "○", "stopping": "◌"}.get(state, "?")
        style = "" if state == "ready" else "dim"
        lines.append(
            Text(f"{lane['node']:<8} {mark} {lane['name']} {state}{restarts}", style=style)
        )
    return Group(*lines)


def _ways(variant: Mapping[str, Any]) -> RenderableType:
    if not variant["ways"]:
        return Text("\nno request has failed", style="dim")
    table = Table.grid(padding=(0, 2))
    for row in variant["ways"][:3]:
        release, code, endpoint, outcome, count, share = row
        table.add_row(
            Text(f"{count:>7}", style="bold"),
            Text(f"{release} {code} {endpoint} {outcome}"),
            Text(share),
        )
    return Group(Text("\nhow requests failed", style="dim"), table)


def _rows(variant: Mapping[str, Any], most: int) -> RenderableType:
    lines: list[Text] = [Text("\nnewest events", style="dim")]
    rows: Sequence[Sequence[str]] = variant["rows"][-most:]
    for when, kind, what, detail in reversed(rows):
        line = Text(f"{when:>9}  {kind:<8} {what}  {detail}", no_wrap=True, overflow="ellipsis")
        lines.append(line)
    return Group(*lines)
