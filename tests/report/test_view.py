"""The numbers of a view, counted again from the events by other means."""

from collections import Counter

import pytest

from lab.report import view
from lab.report.pods import READY, STARTING
from lab.report.stored import StoredRun, StoredVariant
from lab.report.view import View
from tests.report import judged, synthetic
from tests.report.synthetic import CARELESS, SECOND, ns


@pytest.fixture(scope="session")
def careless_events():
    return synthetic.history(CARELESS).events


@pytest.fixture(scope="session")
def careless_verdict(careless_events):
    return judged.verdict(CARELESS, careless_events)


def second_of(event):
    return (event["t"] - ns(CARELESS.migrate_s)) // SECOND


def requests(events):
    return [each for each in events if each["kind"] == "request"]


def test_every_request_is_in_one_second_of_one_band(shown, careless_events):
    careless = shown.variants[0]
    counted = Counter(
        (each["release"], each["outcome"] != "ok", second_of(each))
        for each in requests(careless_events)
    )

    seen = {
        (band.release, band.failed, second): count
        for band in careless.traffic.bands
        for second, count in zip(careless.axis.seconds, band.counts, strict=True)
        if count
    }

    assert seen == dict(counted)
    assert careless.traffic.requests == len(requests(careless_events))


def test_failures_come_first_so_that_they_lie_at_the_bottom(shown):
    assert [band.failed for band in shown.variants[0].traffic.bands] == [True, False, False]


def test_latency_counts_from_the_intended_start(shown, careless_events):
    careless = shown.variants[0]
    fourth = [
        (each["done"] - each["t"]) / 1e6
        for each in requests(careless_events)
        if second_of(each) == 4
    ]

    place = careless.axis.seconds.index(4)

    assert careless.traffic.latency.highest[place] == max(fourth)
    assert careless.traffic.latency.p50[place] == sorted(fourth)[len(fourth) // 2 - 1]


def test_pods_follow_the_endpoints(shown):
    careless = shown.variants[0]

    for place, second in enumerate(careless.axis.seconds):
        # At the end of a second: what changes within it has changed.
        now = CARELESS.migrate_s + second + 1 - 1e-6
        expected = Counter(release for release, _ in synthetic.pods_ready(CARELESS, now))
        serving = {b.release: b.counts[place] for b in careless.pods if b.state == READY}
        assert {name: count for name, count in serving.items() if count} == expected


def test_a_pod_that_is_not_ready_is_starting(shown):
    starting = next(each for each in shown.variants[0].pods if each.state == STARTING)

    place = shown.variants[0].axis.seconds.index(4)

    assert (starting.release, starting.counts[place]) == ("v2-naive", 1)


def test_schema_steps_at_the_commit_and_not_when_it_was_seen(shown):
    careless = shown.variants[0]
    by_second = dict(zip(careless.axis.seconds, careless.database.schema, strict=True))

    assert careless.database.commits[0].second == pytest.approx(1.4)
    assert (by_second[0], by_second[1]) == (5, 6)


def test_the_schema_that_a_run_began_with_is_no_event_of_it(careless_events):
    start = {"kind": "schema", "t": ns(-40), "bound": 0, "version": 5, "floor": 5, "seen": ns(-1)}

    careless = build("careless", [start, *careless_events])

    assert [each.version for each in careless.database.commits] == [6]
    assert [mark.label for mark in careless.marks].count("schema 5") == 0
    assert careless.database.schema[0] == 5


def test_pods_of_other_services_do_not_count(careless_events):
    other = {**next(e for e in careless_events if e["kind"] == "pod"), "name": "postgres-0"}

    careless = build("careless", [{**other, "app": "postgres", "release": "18"}, *careless_events])

    assert careless.releases == ("v1", "v2-naive")


def test_blocked_sessions_show_the_worst_sample_of_a_second(shown):
    careless = shown.variants[0]
    by_second = dict(zip(careless.axis.seconds, careless.database.blocked, strict=True))

    assert (by_second[0], by_second[1], by_second[2]) == (0, 3, 0)


def test_a_second_without_an_answer_of_the_database_is_not_drawn():
    events = [
        each
        if each["kind"] != "db" or second_of(each) != 10
        else {"kind": "db", "t": each["t"], "sent": each["t"], "error": "away", "sqlstate": None}
        for each in synthetic.history(CARELESS).events
    ]

    careless = build("careless", events)

    by_second = dict(zip(careless.axis.seconds, careless.database.connections, strict=True))
    assert by_second[9] is not None
    assert by_second[10] is None
    assert careless.database.unanswered == 2


def test_the_marks_tell_the_rollout(shown):
    marks = [(mark.label, round(mark.second, 2)) for mark in shown.variants[0].marks]

    assert marks == [
        ("migrate", 0.0),
        ("schema 6", 1.4),
        ("roll out", 2.0),
        ("first v2-naive", 6.3),
        ("no v1 ready", 39.1),
    ]


def test_both_variants_have_their_fault_at_second_zero():
    late = synthetic.Plan(
        variant="careful", new="v2", broken=False, migrate_s=25, commit_s=26, image_s=27,
        ready_s=(31, 40, 49, 58),
    )  # fmt: skip

    careful = build("careful", synthetic.history(late).events)

    assert careful.marks[0].second == 0
    assert careful.axis.first == -25


def test_the_order_of_the_lines_does_not_matter(careless_events):
    ahead, behind = (
        build("careless", events) for events in (careless_events, careless_events[::-1])
    )

    assert ahead.traffic == behind.traffic
    assert ahead.pods == behind.pods
    assert ahead.marks == behind.marks
    assert ahead.story == behind.story


def test_old_releases_come_first_whatever_they_are_called():
    plan = synthetic.Plan(old="zz-old", new="aa-new")

    careless = build("careless", synthetic.history(plan).events)

    assert careless.releases == ("zz-old", "aa-new")
    assert careless.look("zz-old") == 0


def test_what_was_predicted_stands_beside_what_was_measured(shown, careless_verdict):
    fresh = shown.variants[0].sizes[0]

    assert fresh.name == "number of failures, fresh"
    assert fresh.predicted == f"{careless_verdict.checks[2].predicted:.0f}"
    assert fresh.measured == str(careless_verdict.checks[2].measured)


def test_the_headline_is_the_verdicts_own(shown, careless_verdict):
    assert careless_verdict.figures.failures == 1076
    assert shown.variants[0].headline.startswith(
        "1 076 of 4 206 requests failed, 25.6 % (95 %: 24.3 to 26.9 %)"
    )
    assert shown.outcome == "as predicted"


def test_a_careful_run_says_how_sure_its_zero_is(shown):
    careful = shown.variants[1]

    # Three divided by the 4 206 requests that counted.
    assert "95 %: at most 0.071 %" in careful.headline


def build(name: str, events) -> view.VariantView:
    stored = StoredVariant(name, tuple(events), None, ())
    return view.build(StoredRun("r", {}, (stored,), ())).variants[0]


def test_a_run_without_verdict_proves_nothing(careless_events):
    stored = StoredVariant("careless", tuple(careless_events), None, ("verdict.json is missing",))

    found: View = view.build(StoredRun("r", {}, (stored,), ()))

    assert found.outcome == "this run proves nothing"
    assert found.variants[0].outcome == "no verdict"
    assert found.variants[0].headline == "1 076 of 5 400 requests failed"


def test_a_history_of_one_line_can_be_shown():
    event = {"kind": "note", "t": 5, "text": "nothing else"}

    found = build("careless", [event])

    assert found.story[0].text == "no fault came; 0 requests were sent"
    assert [row.detail for row in found.timeline] == ["nothing else"]
