"""A stored run on the live page, in a real browser."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from lab.live.hub import MOST_VIEWERS
from lab.live.looking import LookOn
from lab.live.replaying import Replay
from lab.paths import find_caller
from lab.report import stored, view
from lab.store import Run, Store
from tests.live.serving import Still, serving
from tests.pages.browsing import drawn, page_of, violations, zoomed
from tests.report import judged, synthetic
from tests.report.test_page import HOSTILE

TIMES = "\N{MULTIPLICATION SIGN}"
pytestmark = [pytest.mark.e2e, pytest.mark.rotating("pages"), pytest.mark.timeout(240)]


def replay(directory: Path, *, speed: int = 20) -> Replay:
    return Replay(stored.load(directory), speed=speed)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_replay_ends_with_the_numbers_of_the_report(
    browser: Browser, run_directory: Path, theme: str
) -> None:
    with serving(replay(run_directory)) as server, page_of(browser, theme=theme) as (page, seen):
        page.goto(server.address)
        # Nine seconds of playing, on a host that may have other things to do.
        expect(page.locator("article")).to_have_count(2, timeout=60_000)
        report = view.load(run_directory)

        for variant in report.variants:
            article = page.locator(f"article[data-name={variant.name}]")
            expect(article.locator(".headline")).to_have_text(
                variant.headline, use_inner_text=True, ignore_case=False
            )
            expect(article.locator(".outcome")).to_have_text(variant.outcome)
            for check in variant.checks:
                expect(article.locator("[data-part=checks]")).to_contain_text(check.measured)
        drawn(page)
        assert violations(page) == []
        assert seen.complaints == []
        assert [each for each in seen.addresses if not each.startswith(server.address)] == []


def test_keys_pause_hasten_and_wind_it(browser: Browser, run_directory: Path) -> None:
    with serving(replay(run_directory, speed=1)) as server, page_of(browser) as (page, seen):
        page.goto(f"{server.address}#{server.token}")
        mode = page.locator("#mode")
        expect(mode).to_have_text(f"replay 1{TIMES}")
        assert server.token not in page.url

        page.keyboard.press("Space")
        expect(mode).to_have_text(f"replay 1{TIMES}, paused")
        page.keyboard.press("+")
        expect(mode).to_have_text(f"replay 2{TIMES}, paused")
        page.keyboard.press("-")
        page.keyboard.press("n")
        expect(page.locator(".phase")).to_have_text("run, second -1")
        page.keyboard.press("ArrowRight")
        expect(page.locator(".phase")).to_have_text(re.compile(r"run, second \+[34]"))
        expect(page.locator(".tile.hurt .value")).to_have_count(1)
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".tile.hurt .value")).to_have_count(0)
        assert seen.complaints == []


def test_without_the_token_keys_do_nothing_to_the_show(
    browser: Browser, run_directory: Path
) -> None:
    with serving(replay(run_directory, speed=1)) as server, page_of(browser) as (page, _):
        page.goto(server.address)
        expect(page.locator("#mode")).to_have_text(f"replay 1{TIMES}")

        page.keyboard.press("Space")
        page.keyboard.press("+")

        expect(page.locator("#acts")).to_be_hidden()
        expect(page.locator("#mode")).to_have_text(f"replay 1{TIMES}")
        assert page.evaluate("document.documentElement.dataset.acted") is None


def test_keys_look_closer_turn_the_light_off_and_show_both(
    browser: Browser, run_directory: Path
) -> None:
    look = LookOn(*_stored(run_directory))
    with serving(look) as server, page_of(browser) as (page, seen):
        page.goto(server.address)
        expect(page.locator("article")).to_have_count(2)
        drawn(page)

        assert zoomed(page) == ""
        page.keyboard.press("z")
        near = zoomed(page)
        page.keyboard.press("a")
        assert near != zoomed(page) != ""
        page.keyboard.press("0")
        assert zoomed(page) == ""
        ground = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(ground)
        page.keyboard.press("t")
        assert page.evaluate(ground) != light
        assert violations(page) == []
        page.keyboard.press("b")
        expect(page.locator("article")).to_have_count(1)
        assert walked(page, 5) == ["ways", "checks", "events", "key b", "key z"]
        assert seen.complaints == []


def walked(page: Page, steps: int) -> list[str]:
    """Return what has the focus after each of so many presses of Tab."""
    names = []
    for _ in range(steps):
        page.keyboard.press("Tab")
        names.append(page.evaluate(FOCUSED))
    return names


FOCUSED = (
    "(({dataset, className, tagName}) => dataset.key ? `key ${dataset.key}`"
    " : dataset.part || className || tagName)(document.activeElement)"
)


def _stored(directory: Path) -> tuple[Store, Run]:
    store = Store(directory.parent.parent, owner=find_caller())
    return store, Run(directory.parent.name, directory.name, directory)


@pytest.mark.parametrize("width", [380, 1280, 2560])
def test_the_page_fits_every_screen(browser: Browser, run_directory: Path, width: int) -> None:
    look = LookOn(*_stored(run_directory))
    with serving(look) as server, page_of(browser, width=width) as (page, _):
        page.goto(server.address)
        drawn(page)

        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_numbers_of_now_are_on_the_first_screen_of_a_projector(
    browser: Browser, run_directory: Path
) -> None:
    with serving(replay(run_directory, speed=1)) as server, page_of(browser) as (page, _):
        page.goto(f"{server.address}#{server.token}")
        page.keyboard.press("Space")
        for _ in range(6):
            page.keyboard.press("ArrowRight")
        drawn(page)

        box = page.locator("[data-chart=requests]").bounding_box()
        assert box
        assert box["y"] + box["height"] <= 720
        size = "parseFloat(getComputedStyle(document.querySelector('.tile .value')).fontSize)"
        assert page.evaluate(size) >= 40


def test_a_run_that_proves_nothing_says_so(browser: Browser, tmp_path: Path) -> None:
    directory = judged.write_run(tmp_path, synthetic.CARELESS)
    path = directory / "careless" / "verdict.json"
    told = json.loads(path.read_text())
    reasons = ["baseline: 3 requests failed"]
    told |= {"outcome": "invalid", "reasons": reasons, "as_predicted": False, "checks": []}
    path.write_text(json.dumps(told))
    with serving(LookOn(*_stored(directory))) as server, page_of(browser) as (page, seen):
        page.goto(server.address)

        expect(page.locator(".outcome")).to_have_text("invalid")
        expect(page.locator("article .phase")).to_have_text("this run proves nothing")
        expect(page.locator("article .notice")).to_have_text(reasons)
        assert seen.complaints == []


def test_a_history_that_is_damaged_or_newer_says_so(browser: Browser, tmp_path: Path) -> None:
    directory = judged.write_run(tmp_path, synthetic.CARELESS, run={**judged.RUN, "format": 2})
    path = directory / "careless" / "history.jsonl"
    content = path.read_bytes()
    path.write_bytes(b"damaged\n" + content[:-40])
    with serving(replay(directory)) as server, page_of(browser) as (page, seen):
        page.goto(server.address)

        expect(page.locator("#notices .notice")).to_contain_text("a newer lab (format 2")
        expect(page.locator("article .notice").first).to_contain_text("middle of a line")
        assert seen.complaints == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_runs_no_program(browser: Browser, tmp_path: Path, text: str) -> None:
    events = [
        {"kind": "pod", "t": 1, "type": "LISTED", "name": text, "release": text, "node": text,
         "ready": True, "restarts": 0},
        {"kind": "event", "t": 2, "type": "Warning", "reason": text, "object": text,
         "message": text},
        {"kind": "step", "t": 2, "name": text, "what": "waiting", "detail": text},
        {"kind": "request", "t": 3, "seq": 0, "stream": "fresh", "endpoint": text, "sent": 3,
         "done": 4, "outcome": text, "status": 500, "sqlstate": text, "release": text, "pod": text,
         "conn": 1, "reused": False},
        {"kind": "note", "t": 5, "text": text},
    ]  # fmt: skip
    directory = tmp_path / "hostile" / "20261125T013000Z"
    (directory / "careless").mkdir(parents=True)
    lines = "".join(json.dumps(each) + "\n" for each in events)
    (directory / "careless" / "history.jsonl").write_text(lines)
    (directory / "run.json").write_text(json.dumps({**judged.RUN, "title": text, "page": text}))
    with serving(LookOn(*_stored(directory))) as server, page_of(browser) as (page, seen):
        page.goto(server.address)
        drawn(page)
        page.wait_for_timeout(300)

        assert page.locator("img").count() == 0
        assert seen.complaints == []
        assert [each for each in seen.addresses if not each.startswith(server.address)] == []


def test_what_another_run_has_shown_goes_when_the_next_begins(
    browser: Browser, tmp_path: Path
) -> None:
    directory = judged.write_run(tmp_path / "half-migrated-rename", synthetic.CARELESS)
    look = LookOn(_stored(directory)[0])
    with serving(look) as server, page_of(browser) as (page, seen):
        page.goto(server.address)
        expect(page.locator(".outcome")).to_have_text("reproduced")
        drawn(page)
        judged.begin_run(directory.parent, name="20261126T013000Z")

        expect(page.locator("#place")).to_contain_text("20261126T013000Z")
        expect(page.locator("#variants article")).to_have_count(0)
        expect(page.locator("#notices .notice").first).to_have_text("waiting for the run to begin")
        judged.write_run(directory.parent, synthetic.CARELESS, name="20261126T013000Z")
        expect(page.locator(".outcome")).to_have_text("reproduced")
        drawn(page)
        assert seen.complaints == []


def test_when_the_server_ends_the_page_says_so(browser: Browser, run_directory: Path) -> None:
    with page_of(browser) as (page, _):
        with serving(LookOn(*_stored(run_directory))) as server:
            page.goto(server.address)
            drawn(page)

        expect(page.locator("#notices")).to_contain_text("The connection to lab is gone")
        expect(page.locator("#title")).to_have_text(judged.RUN["title"])


def test_whoever_is_one_too_many_is_told_and_comes_again(
    browser: Browser, run_directory: Path
) -> None:
    with serving(LookOn(*_stored(run_directory))) as server, page_of(browser) as (page, _):
        server.hub.viewers += MOST_VIEWERS
        page.goto(server.address)
        expect(page.locator("#notices")).to_contain_text("too many look on already")
        server.hub.viewers -= MOST_VIEWERS

        drawn(page)
        expect(page.locator("#notices .notice")).to_have_count(0)


def test_a_key_that_lab_does_not_hear_or_refuses_is_told(
    browser: Browser, run_directory: Path
) -> None:
    with serving(replay(run_directory, speed=1)) as server, page_of(browser) as (page, seen):
        page.goto(f"{server.address}#{server.token}")
        expect(page.locator("#acts")).to_be_visible()
        page.route("**/act", lambda route: route.abort())
        page.keyboard.press("Space")
        expect(page.locator("#notices")).to_contain_text('whether "pause" was done is not known')
        page.unroute("**/act")
        page.keyboard.press("Space")
        expect(page.locator("#mode")).to_contain_text("paused")
        expect(page.locator("#notices .notice")).to_have_count(0)
        assert seen.other_than_cut_off() == []


def test_what_the_lab_could_not_do_is_told(browser: Browser) -> None:
    still = Still({"failure": "the database <ended>", "hint": "lab doctor"})
    with serving(still) as server, page_of(browser) as (page, seen):
        page.goto(server.address)

        expect(page.locator("#notices")).to_have_text("the database <ended>. lab doctor")
        assert seen.complaints == []


def test_whoever_wants_no_motion_gets_none(browser: Browser, run_directory: Path) -> None:
    look = LookOn(*_stored(run_directory))
    with serving(look) as server, page_of(browser, motion="reduce") as (page, _):
        page.goto(server.address)
        drawn(page)

        moving = "[...document.querySelectorAll('*')].filter((each) => ['animationDuration', 'transitionDuration'].some((name) => parseFloat(getComputedStyle(each)[name]) > 0)).length"  # noqa: E501
        assert page.evaluate(moving) == 0
