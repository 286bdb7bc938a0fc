"""The terminal while a run goes on, as it was looked at and found good.

After a change that is meant: LAB_SNAPSHOTS=write pytest tests/report/test_watch.py, then look.
"""

import os
from pathlib import Path

import pytest

from lab.report import frame, view, watch
from lab.report.picture import Picture
from tests.report import judged, synthetic
from tests.report.test_page import HOSTILE
from tests.report.watching import plain

SNAPSHOTS = Path(__file__).parent / "snapshots"
PLAN = {
    "kind": "plan",
    "t": synthetic.ns(-1.0),
    "steps": [
        {"name": "migrate", "when": "'baseline' is over", "does": "migrate up to version 6"},
        {"name": "roll out", "when": "2 s have passed", "does": "roll out release v2-naive"},
        {"name": "complete", "when": "v2-naive is rolled out", "does": ""},
    ],
    "forecast": {"source": "48 requests/s x share", "points": [[0, 48], [16, 24], [35, 0]]},
}


def shown(until_s: float, *, width: int = 100) -> str:
    events = synthetic.history(synthetic.CARELESS).events
    known = [PLAN, *(each for each in events if each["t"] < synthetic.ns(until_s))]
    variant = view.build_variant("careless", Picture(known), None, so_far=True)
    found = view.assemble("20261125T013000Z", judged.RUN, (variant,))
    return plain(
        watch.render(frame.frame(found, active="careless"), width=width, height=44), width=width
    )


@pytest.mark.parametrize(
    ("name", "until_s"), [("baseline", 15.0), ("half-way", 40.0), ("over", 200.0)]
)
def test_a_run_looks_as_it_did(name: str, until_s: float):
    path = SNAPSHOTS / f"{name}.txt"
    found = shown(until_s)
    if os.environ.get("LAB_SNAPSHOTS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")

    assert found == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_it_fits_the_terminal(width: int):
    assert max(map(len, shown(40.0, width=width).splitlines())) <= width


def test_before_a_run_has_begun_it_says_so():
    nothing = view.assemble("r", judged.RUN, ())

    assert "waiting for the run to begin" in plain(
        watch.render(frame.frame(nothing), width=80), width=80
    )


@pytest.mark.parametrize("text", [*HOSTILE, "[bold red]x[/]", "[link=file:///etc]y[/link]"])
def test_hostile_names_stay_text(text: str):
    pod = {
        "kind": "pod", "t": 1, "type": "LISTED", "name": text, "release": text, "node": text,
        "ready": False, "restarts": 0,
    }  # fmt: skip
    event = {"kind": "event", "t": 2, "type": "Warning", "reason": text, "object": text}
    failed = {
        "kind": "request", "t": 3, "done": 4, "endpoint": text, "outcome": text, "sqlstate": text,
        "release": text,
    }  # fmt: skip
    variant = view.build_variant("careless", Picture([pod, event, failed]), None)
    found = view.assemble("r", {**judged.RUN, "title": text}, (variant,))

    told = plain(watch.render(frame.frame(found, active="careless"), width=200), width=200)

    assert "\x1b" not in told
    if text.startswith("["):
        assert text in told
