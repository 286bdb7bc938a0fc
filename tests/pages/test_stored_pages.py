"""Report and export, opened from a disk."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from lab.report import page as report_page
from lab.report import view
from lab.report.glance import glance
from tests.pages.browsing import drawn, page_of, violations, zoomed
from tests.report import judged, synthetic

TIMES = "\N{MULTIPLICATION SIGN}"
pytestmark = [pytest.mark.e2e, pytest.mark.rotating("pages"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def report(run_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report_page.render(view.load(run_directory)))
    return path


@pytest.fixture(scope="module")
def export(run_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "export.html"
    path.write_text(report_page.render(view.load(run_directory), plays=True))
    return path


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_report_keeps_nobody_out(browser: Browser, report: Path, theme: str) -> None:
    with page_of(browser, theme=theme) as (page, seen):
        page.goto(report.as_uri())

        assert violations(page) == []
        assert seen.complaints == []
        assert seen.addresses == [report.as_uri()]


@pytest.mark.parametrize("width", [380, 1280])
def test_numbers_of_thousands_do_not_run_into_each_other(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    plans = [
        synthetic.Plan("careless", rate=200, length_s=60),
        synthetic.Plan("careful", rate=200, length_s=60, new="v2", broken=False),
    ]
    path = tmp_path / "report.html"
    path.write_text(report_page.render(view.load(judged.write_run(tmp_path, *plans))))
    with page_of(browser, width=width) as (page, _):
        page.goto(path.as_uri())

        expect(page.locator(".pair").first).to_contain_text(re.compile(r"\d\s\d{3}"))
        assert page.evaluate(WIDER_THAN_THEIR_PLACE) == []


WIDER_THAN_THEIR_PLACE = """
    [...document.querySelectorAll(".pair")]
        .filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.innerText)
"""


def test_a_report_is_looked_at_closer_by_keys_buttons_and_drawing(
    browser: Browser, report: Path
) -> None:
    with page_of(browser) as (page, seen):
        page.goto(report.as_uri())
        page.keyboard.press("z")
        near = zoomed(page)
        page.keyboard.press("a")
        assert near != zoomed(page) != ""
        page.click("button[data-key='0']")
        assert zoomed(page) == ""
        area = page.locator("[data-chart=requests] .u-over").first
        area.scroll_into_view_if_needed()
        box = area.bounding_box()
        assert box
        page.mouse.move(box["x"] + 100, box["y"] + 50)
        page.mouse.down()
        page.mouse.move(box["x"] + 200, box["y"] + 60, steps=5)
        page.mouse.up()
        assert zoomed(page) != ""
        page.locator("[data-chart=requests] .u-over").first.dblclick()
        assert zoomed(page) == ""
        assert seen.complaints == []


LONG = (
    ("careless", "v2-naive", True),
    ("careful", "v2", False),
)
MOST_BYTES = 2_000_000


@pytest.mark.timeout(600)
def test_ten_minutes_at_200_requests_a_second_are_a_file_under_2_mb_that_opens(
    browser: Browser, tmp_path: Path
) -> None:
    plans = [
        synthetic.Plan(name, rate=200, length_s=600, new=new, broken=broken)
        for name, new, broken in LONG
    ]
    shown = view.load(judged.write_run(tmp_path, *plans))
    assert min(each.traffic.requests for each in shown.variants) > 115_000
    for name, plays in (("report", False), ("export", True)):
        path = tmp_path / f"{name}.html"
        path.write_text(report_page.render(shown, plays=plays), encoding="utf-8")

        assert path.stat().st_size < MOST_BYTES
        with page_of(browser) as (page, seen):
            page.goto(path.as_uri())
            drawn(page)
            assert seen.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_export_plays_from_a_disk_with_the_numbers_of_the_run(
    browser: Browser, export: Path, run_directory: Path, theme: str
) -> None:
    careless = view.load(run_directory).variants[0]
    with page_of(browser, theme=theme) as (page, seen):
        page.goto(export.as_uri())
        page.locator("#position").fill("10")

        place = careless.axis.seconds.index(9)
        wanted = [tile.value for tile in glance(careless, place)]
        expect(page.locator("#tiles-0 .value")).to_have_text(wanted)
        page.locator("h1").click()
        page.keyboard.press("+")
        page.keyboard.press("+")
        page.keyboard.press("Space")
        expect(page.locator("#playing")).to_contain_text(f"playing, 5{TIMES}")
        page.keyboard.press("Space")
        expect(page.locator("#playing")).to_contain_text("paused")
        page.keyboard.press("ArrowLeft")
        assert violations(page) == []
        assert seen.complaints == []
        assert seen.addresses == [export.as_uri()]
