"""Where a replay is, on a time of its own."""

from lab.live.playhead import Playhead


def test_it_moves_with_the_time_and_its_speed():
    head = Playhead(length_s=100, now=0, speed=5)

    assert head.move(2.0) == 10.0
    head.faster(1, 2.0)
    assert head.speed == 10
    assert head.move(3.0) == 20.0


def test_it_stands_while_it_is_paused():
    head = Playhead(length_s=100, now=0)
    head.pause(1.0)

    assert head.move(50.0) == 1.0
    head.pause(50.0)
    assert head.move(52.0) == 3.0


def test_it_ends_at_its_end_and_waits_at_its_limit():
    head = Playhead(length_s=10, now=0, limit_s=4)

    assert head.move(9.0) == 4
    assert not head.is_over
    head.limit_s = float("inf")
    assert head.move(99.0) == 10
    assert head.is_over


def test_it_seeks_within_what_there_is():
    head = Playhead(length_s=10, now=0)
    head.seek(-5, 3.0)
    assert head.position_s == 0
    head.seek(50, 3.0)
    assert head.position_s == 10


def test_speeds_end_at_twenty_and_at_one():
    head = Playhead(length_s=10, now=0)
    for _ in range(9):
        head.faster(1, 0)
    assert head.speed == 20
    for _ in range(9):
        head.faster(-1, 0)
    assert head.speed == 1
