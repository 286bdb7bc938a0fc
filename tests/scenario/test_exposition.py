"""Which counters and gauges moved, from texts as a service writes them."""

from lab.scenario.exposition import Move, Series, Watched, added_up, read

FAILED = Series("chirps_requests_total", (("status", "500"), ("sqlstate", "42703")))
READY = Series("chirps_ready")


def text(failed: float | None = None, ready: float = 1, lag: float = 0.01) -> str:
    counted = "" if failed is None else f'{{status="500",sqlstate="42703"}} {failed}'
    return "\n".join(
        (
            "# HELP chirps_requests_total Answers.",
            "# TYPE chirps_requests_total counter",
            f"chirps_requests_total{counted}" if counted else "",
            "# TYPE chirps_ready gauge",
            f"chirps_ready {ready}",
            "# TYPE chirps_event_loop_lag_seconds gauge",
            f"chirps_event_loop_lag_seconds {lag}",
        )
    )


def moves(*texts: str, new: bool = False) -> tuple[Move, ...]:
    watched = Watched(new=new)
    for each in texts:
        watched.take(read(each))
    return tuple(watched.moves())


def test_a_counter_that_counted_and_a_gauge_that_changed_have_moved():
    assert moves(text(3), text(10, ready=0, lag=0.5)) == (
        Move(FAILED, "counter", 3, 10),
        Move(READY, "gauge", 1, 0),
    )


def test_what_stayed_as_it_was_has_not():
    assert moves(text(3), text(3, lag=0.5)) == ()


def test_a_counter_that_is_smaller_began_anew():
    assert moves(text(3), text(10), text(4)) == (Move(FAILED, "counter", 3, 3 + 7 + 4),)


def test_what_a_new_pod_counted_counts_from_nothing_and_its_gauges_have_not_moved():
    assert moves(text(5), new=True) == (Move(FAILED, "counter", 0, 5),)


def test_a_counter_that_came_later_counts_from_nothing():
    assert moves(text(), text(2)) == (Move(FAILED, "counter", 0, 2),)


def test_counters_of_pods_are_added_and_gauges_put_together_where_they_moved_alike():
    one, other = moves(text(3), text(10, ready=0)), moves(text(1), text(2, ready=0))

    assert added_up((*one, *other)) == (
        (Move(FAILED, "counter", 4, 12), 2),
        (Move(READY, "gauge", 1, 0), 2),
    )


def test_what_is_no_sample_is_left_out_and_escapes_are_read():
    look = read('x{a="q\\"\\\\n"} 1\nbroken{ 1\n<script>\ny NaN\nz 1e400\nw one\n')

    assert look.values == {Series("x", (("a", 'q"\\n'),)): 1}
