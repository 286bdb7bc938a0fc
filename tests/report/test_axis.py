"""Second 0 is the first fault, in every variant."""

from lab.report.axis import find_axis
from lab.scenario.events import NS


def at(second, kind="request", **fields):
    return {"kind": kind, "t": round(second * NS), **fields}


def fault(second):
    return at(second, "fault", name="migrate", what="requested")


def test_second_zero_is_the_first_requested_fault():
    axis = find_axis([at(100), at(121.9), fault(120), fault(121)])

    assert axis.second(120 * NS) == 0
    assert (axis.first, axis.last) == (-20, 2)
    assert axis.seconds[0] == -20


def test_a_bin_holds_its_whole_second_and_no_more():
    axis = find_axis([at(0), fault(5), at(9.5)])

    assert axis.bin(5 * NS) == axis.bin(6 * NS - 1) == 5
    assert axis.bin(5 * NS - 1) == 4
    assert axis.bin(-1) is None
    assert axis.bin(10 * NS) is None


def test_a_run_without_a_fault_counts_from_its_first_request():
    axis = find_axis([at(1, "phase", name="setup"), at(7), at(8)])

    assert not axis.at_fault
    assert axis.second(7 * NS) == 0


def test_a_history_without_anything_has_an_axis_all_the_same():
    assert len(find_axis([])) == 1


def test_a_damaged_clock_makes_no_endless_chart():
    axis = find_axis([at(0), fault(1), at(4_000_000_000)])

    assert axis.is_cut
    assert len(axis) < 10_000
