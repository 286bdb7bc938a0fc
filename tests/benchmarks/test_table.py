from benchmarks.figures import Figure, Report, Run
from benchmarks.table import render


def report(*figures: Figure) -> Report:
    made = Report("2026-11-23 16:00+00:00", {"cores": "2"}, {"lab": "0.1.0"})
    made.add("Up", figures)
    return made


def test_the_median_counts_and_all_values_are_shown() -> None:
    text = render(report(Figure("lab up", "s", (31.0, 25.0, 26.0))))

    assert "| lab up | 26.0 s | 25.0, 26.0, 31.0 |  |  |" in text


def test_a_median_above_its_aim_is_called_missed() -> None:
    text = render(report(Figure("lab down", "s", (5.1,), aim=5.0)))

    assert "| lab down | 5.10 s |  | ≤ 5 s | **missed** |" in text


def test_a_median_at_its_aim_is_called_met() -> None:
    text = render(report(Figure("ratio", "", (1.3,), aim=1.3, note="of the medians")))

    assert "| ratio | 1.30 |  | ≤ 1.3 | met; of the medians |" in text


def test_machine_versions_and_order_of_runs_are_told() -> None:
    made = report(Figure("lab up", "s", (25.0,)))
    made.runs.append(Run("lab up", 25.04, 0.31))

    text = render(made)

    assert "cores 2" in text
    assert "lab 0.1.0" in text
    assert "lab up 25.0 s (0.3)" in text


def test_a_part_without_figures_has_no_heading() -> None:
    assert "###" not in render(report())
