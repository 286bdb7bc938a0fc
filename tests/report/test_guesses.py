"""What a room said beside what was measured."""

from lab.report import guesses, view


def test_what_was_measured_follows_from_the_run(run_directory):
    careless, careful = view.load(run_directory).variants

    found = guesses.measured(careless)
    assert 70 <= found["worst"] <= 95
    assert found["lasts"] > 20
    assert guesses.measured(careful) == {"worst": 0, "lasts": 0, "woken": "no"}


def test_an_answer_is_right_near_enough_and_else_says_by_how_much():
    rows = guesses.table(
        {"worst": 80, "lasts": 5, "woken": "yes"}, {"worst": 82, "lasts": 35, "woken": "no"}
    )

    assert [row[3] for row in rows[1:]] == ["right", "30 too low", "the other way"]


def test_what_was_not_said_or_not_measured_is_left_open():
    rows = guesses.table({}, {"worst": 82})

    assert [row[1:] for row in rows[1:]] == [["-", "82 %", ""], ["-", "-", ""], ["-", "-", ""]]
