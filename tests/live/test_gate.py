"""Who lets the next step go on?"""

import threading

from lab.live.gate import Gate


def test_the_first_step_waits_and_the_others_follow():
    gate = Gate()

    assert not gate.may_pass("careless", "migrate")
    assert gate.held == "migrate"
    gate.let_on()
    assert gate.may_pass("careless", "migrate")
    assert gate.may_pass("careless", "roll out")
    assert not gate.may_pass("careful", "expand")


def test_every_step_waits_where_that_is_asked_for():
    gate = Gate(every=True)
    gate.may_pass("careless", "migrate")
    gate.let_on()

    assert gate.may_pass("careless", "migrate")
    assert not gate.may_pass("careless", "roll out")


def test_a_pause_holds_what_comes_next():
    gate = Gate()
    gate.may_pass("careless", "migrate")
    gate.let_on()
    gate.pause()

    assert not gate.may_pass("careless", "roll out")
    gate.pause()
    assert gate.may_pass("careless", "roll out")


def test_to_let_on_where_nothing_is_held_opens_nothing():
    gate = Gate()
    gate.let_on()

    assert not gate.may_pass("careless", "migrate")


def test_a_variant_begins_when_it_is_asked_for():
    gate, begun = Gate(), threading.Event()
    thread = threading.Thread(target=lambda: (gate.wait_for("careful"), begun.set()))
    thread.start()
    gate.begin("careless")
    assert not begun.is_set()

    gate.begin("careful")

    assert begun.wait(10)
    thread.join()
