"""What a room said beside what was measured."""

import shutil

from lab.report import guesses, page, view


def test_what_was_measured_follows_from_the_run(run_directory):
    careless, careful = view.load(run_directory).variants

    found = careless.answers
    assert 70 <= found["worst"] <= 95
    assert found["lasts"] > 20
    assert careful.answers == {"worst": 0, "lasts": 0, "woken": "no"}


def test_an_answer_is_right_near_enough_and_else_says_by_how_much():
    rows = guesses.table(
        {"worst": 80, "lasts": 5, "woken": "yes"}, {"worst": 82, "lasts": 35, "woken": "no"}
    )

    assert [row[3] for row in rows[1:]] == ["right", "30 too low", "the other way"]


def test_what_was_not_said_or_not_measured_is_left_open():
    rows = guesses.table({}, {"worst": 82})

    assert [row[1:] for row in rows[1:]] == [["-", "82 %", ""], ["-", "-", ""], ["-", "-", ""]]


def test_a_report_shows_what_the_room_said(run_directory, tmp_path):
    directory = tmp_path / run_directory.name
    shutil.copytree(run_directory, directory)
    (directory / "guesses.json").write_text('{"careless": {"worst": 3}, "careful": {"worst": "x"}}')

    shown = view.load(directory)

    assert list(shown.guesses) == ["careless"]
    assert "What the room said" in page.render(shown)
    assert "What the room said" not in page.render(view.load(run_directory))
