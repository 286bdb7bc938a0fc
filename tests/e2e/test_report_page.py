"""The page of a run in a real browser: it draws, complains of nothing and asks for nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.report import page, view
from tests.report import judged
from tests.report.browser import Page, browser
from tests.report.test_page import HOSTILE, hostile_view

pytestmark = pytest.mark.e2e

CHARTS = 14

# Pixels of each chart's canvas: drawn at all, and drawn in the colour of failures. The colour
# of the striped area is counted without its dark stripes.
COUNT_PIXELS = """
(() => {
  const wanted = getComputedStyle(document.documentElement).getPropertyValue("--failed").trim();
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(wanted.slice(at, at + 2), 16));
  return [...document.querySelectorAll(".chart")].map((place) => {
    const canvas = place.querySelector("canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let drawn = 0;
    let failed = 0;
    for (let at = 0; at < pixels.length; at += 4) {
      if (pixels[at + 3] > 0) drawn += 1;
      const far = Math.abs(pixels[at] - red) + Math.abs(pixels[at + 1] - green) + Math.abs(pixels[at + 2] - blue);
      if (pixels[at + 3] > 0 && far < 30) failed += 1;
    }
    const all = pixels.length / 4;
    return { chart: place.dataset.chart, variant: place.dataset.variant, drawn: drawn / all, failed: failed / all };
  });
})()
"""  # noqa: E501 - a program of another language


@pytest.fixture(scope="module")
def chromium() -> Iterator[Page]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = judged.write_run(tmp_path_factory.mktemp("runs"))
    path = directory / "report.html"
    path.write_text(page.render(view.load(directory)))
    return path


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_chart_is_drawn_and_nothing_is_asked_for(
    chromium: Page, report: Path, theme: str
) -> None:
    chromium.show(theme=theme)
    chromium.open(report)

    charts = chromium.evaluate(COUNT_PIXELS)

    assert len(charts) == CHARTS
    assert [each for each in charts if each["drawn"] < 0.01] == []
    assert chromium.complaints() == []
    assert chromium.requested() == [report.as_uri()]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_failures_jump_out_where_there_are_some_and_nowhere_else(
    chromium: Page, report: Path, theme: str
) -> None:
    chromium.show(theme=theme)
    chromium.open(report)

    requests = [each for each in chromium.evaluate(COUNT_PIXELS) if each["chart"] == "requests"]

    careless, careful = requests
    assert careless["failed"] > 0.05
    assert careful["failed"] == 0


# The colours of the first chart at +5.5 s, at 2 and at 58 requests a second.
COLOURS = """
(() => {
  const place = document.querySelector(".chart");
  const area = place.querySelector(".u-over");
  const canvas = place.querySelector("canvas");
  const told = JSON.parse(document.getElementById("series").textContent);
  const x = area.offsetLeft + area.offsetWidth * ((5.5 - told.x[0]) / (told.x[1] - told.x[0]));
  const most = told.most.requests * 1.04;
  return [2, 58].map((count) => {
    const y = area.offsetTop + area.offsetHeight * (1 - count / most);
    return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data.slice(0, 3)];
  });
})()
"""


def test_bands_lie_on_each_other_with_the_failures_below(chromium: Page, report: Path) -> None:
    chromium.show(theme="light")
    chromium.open(report)

    low, high = chromium.evaluate(COLOURS)

    # Orange or its stripe below, the light blue of the old release at the top of the stack.
    assert low[0] > low[1] > low[2]
    assert high == [0x9C, 0xC6, 0xE3]


def test_a_change_of_theme_draws_again(chromium: Page, report: Path) -> None:
    chromium.show(theme="light")
    chromium.open(report)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = chromium.evaluate(ground)

    chromium.show(theme="dark")
    # Charts are drawn with the next frame.
    chromium.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")

    assert chromium.evaluate(ground) != light
    charts = chromium.evaluate(COUNT_PIXELS)
    assert len(charts) == CHARTS
    assert charts[0]["failed"] > 0.05
    assert chromium.complaints() == []


@pytest.mark.parametrize("width", [380, 800, 1280, 2560])
def test_the_page_fits_every_screen(chromium: Page, report: Path, width: int) -> None:
    chromium.show(width=width)
    chromium.open(report)

    assert chromium.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert chromium.evaluate("document.documentElement.dataset.drawn") == str(CHARTS)


def test_headline_and_failures_are_on_the_first_screen_of_a_projector(
    chromium: Page, report: Path
) -> None:
    chromium.show(width=1280, height=720)
    chromium.open(report)

    bottom = chromium.evaluate(
        "Math.max(...[...document.querySelectorAll('.pair')]"
        ".map((each) => each.getBoundingClientRect().bottom))"
    )

    assert bottom < 720


def test_pointing_at_a_second_tells_its_numbers_in_every_chart(
    chromium: Page, report: Path
) -> None:
    chromium.show()
    chromium.open(report)
    box = chromium.evaluate(
        "(() => { const box = document.querySelector('.u-over').getBoundingClientRect();"
        "return [box.left + box.width * (25.5 / 90), box.top + 50]; })()"
    )

    chromium.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])

    told = chromium.evaluate(
        "[...document.querySelectorAll('.readout')].map((each) => each.textContent)"
    )
    assert told[0].startswith("+5 s: v1 failed ")
    assert told[1] == "+5 s: v1 60"
    assert [each for each in told if not each.startswith("+5 s: ")] == []


def test_the_policy_stops_a_connection(chromium: Page, report: Path) -> None:
    chromium.open(report)

    answer = chromium.evaluate("fetch('http://127.0.0.1:9/').catch((error) => String(error))")

    assert "Failed to fetch" in answer
    assert any("Content Security Policy" in each for each in chromium.complaints())


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_runs_no_program(chromium: Page, tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(page.render(hostile_view(text)))

    chromium.open(path)

    assert chromium.evaluate("document.documentElement.dataset.drawn") == "7"
    assert chromium.complaints() == []
    assert chromium.asked_its_reader() == []
    assert chromium.requested() == [path.as_uri()]


def test_it_can_be_printed(chromium: Page, report: Path) -> None:
    chromium.show(theme="dark")
    chromium.open(report)

    printed = chromium.call("Page.printToPDF", landscape=True, printBackground=True)

    assert len(printed["data"]) > 50_000
    assert chromium.complaints() == []
