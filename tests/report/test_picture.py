"""The same run shows the same numbers everywhere, however its events came."""

import random

import pytest

from lab.report import frame, page, series, stored, terminal, view, watch
from lab.report.follow import Follower
from lab.report.picture import Picture
from tests.report import judged, synthetic
from tests.report.watching import plain

EVENTS = synthetic.history(synthetic.CARELESS).events


def whole(events) -> view.VariantView:
    return view.build_variant("careless", Picture(events), None)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_picture_is_the_same_however_its_events_were_cut(size):
    picture = Picture()
    for begin in range(0, len(EVENTS), size):
        picture.take(EVENTS[begin : begin + size])
        # To be looked at meanwhile must change nothing.
        if begin % 500 == 0:
            view.build_variant("careless", picture, None, so_far=True)

    assert view.build_variant("careless", picture, None) == whole(EVENTS)


def test_lines_that_arrive_late_count_where_they_belong():
    late = EVENTS.copy()
    random.Random(1).shuffle(late)
    # The order of equal times is that of arrival.
    found, expected = whole(late), whole(EVENTS)

    assert found.traffic == expected.traffic
    assert found.database == expected.database
    assert found.axis == expected.axis


def test_a_second_that_is_not_over_is_not_shown():
    cut = [each for each in EVENTS if each["t"] < synthetic.ns(30.5)]

    found = view.build_variant("careless", Picture(cut), None, so_far=True)

    sent = sum(band.counts[-1] for band in found.traffic.bands)
    assert sent == synthetic.CARELESS.rate


def test_report_live_page_and_terminal_show_the_same_numbers(run_directory):
    report = view.load(run_directory)
    follower = Follower(run_directory)
    follower.read()
    live = follower.view()

    assert live == report
    shown = frame.frame(live, active="careless")
    assert shown["told"] == series.to_json(report)
    careless = report.variants[0]
    told = plain(watch.render(shown, width=160, height=60), width=160)
    for text in (
        careless.headline,
        page.render(report),
        terminal.summary(report),
    ):
        assert careless.headline in text
    assert careless.headline in told
    for tile in shown["variants"][0]["tiles"]:
        assert tile["value"] in told
    for line in careless.signature[:3]:
        assert line.count_text in told


def test_many_names_of_releases_are_kept_to_a_number():
    picture = Picture()
    for number in range(500):
        event = next(each for each in EVENTS if each["kind"] == "request")
        picture.take([{**event, "release": f"v{number}"}])

    found = view.build_variant("careless", picture, None)

    assert found.traffic.requests == 500
    assert sum(band.total for band in found.traffic.bands) == 500
    assert len(found.traffic.bands) <= 61


def test_a_run_without_an_announcement_shows_the_steps_that_were_heard_of():
    found = whole(EVENTS)

    assert [step.name for step in found.plan] == ["migrate", "roll out", "complete"]
    assert found.forecast is None


def test_an_announcement_shows_what_is_to_come_and_what_is_foreseen():
    plan = {
        "kind": "plan",
        "t": synthetic.ns(-1.0),
        "steps": [{"name": "migrate", "when": "w", "does": "d"}, {"name": "later"}],
        "forecast": {"source": "s", "points": [[0.0, 0.0], [1.5, 48.0]]},
    }
    begun = [e for e in EVENTS if e["t"] < synthetic.ns(19.95)]

    found = view.build_variant("careless", Picture([plan, *begun]), None, so_far=True)

    assert [(step.name, step.state) for step in found.plan] == [
        ("migrate", "waiting"),
        ("later", "to come"),
    ]
    assert found.forecast is not None
    assert found.forecast.at(2) == 48.0


@pytest.mark.parametrize(
    "forecast",
    [
        7,
        {},
        {"source": "s", "points": [[1]]},
        {"source": "s", "points": [[1e99, 1]]},
        {"points": 3},
    ],
)
def test_a_damaged_forecast_is_none(forecast):
    plan = {"kind": "plan", "t": 0, "steps": [], "forecast": forecast}

    assert view.build_variant("careless", Picture([plan]), None).forecast is None


def test_a_run_of_a_newer_lab_is_shown_and_said_to_be_one(tmp_path):
    directory = judged.write_run(tmp_path, run={**judged.RUN, "format": 99})

    found = stored.load(directory)

    assert found.damage[0].startswith("the run was written by a newer lab (format 99")
