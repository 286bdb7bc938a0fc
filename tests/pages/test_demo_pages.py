"""A demonstration: the page of the room, and the one of whoever shows it."""

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from lab import content
from lab.live.demo import Demo
from lab.live.players import Replayed
from lab.report import stored
from lab.scenario import loader
from tests.live.serving import serving
from tests.pages.browsing import page_of, violations

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("pages"), pytest.mark.timeout(240)]


def demo(directory: Path, kept: list[object]) -> Demo:
    loaded = loader.load(content.folder("scenarios"), "half-migrated-rename")
    player = Replayed(stored.load(directory), time.monotonic, speed=20)
    return Demo(loaded, ("careless", "careful"), player, keep=kept.append)


def waits(trainer: Page, text: str) -> None:
    expect(trainer.locator("#next")).to_have_text(text, timeout=60_000)


def test_a_room_predicts_watches_and_compares(browser: Browser, run_directory: Path) -> None:
    kept: list[object] = []
    with (
        serving(demo(run_directory, kept)) as server,
        page_of(browser) as (room, seen),
        page_of(browser) as (trainer, also_seen),
    ):
        room.goto(server.address)
        trainer.goto(server.trainer_address)
        expect(room.locator("#scene")).to_contain_text("03:12")
        expect(trainer.locator("#scene-name")).to_have_text("situation")
        assert violations(trainer) == []
        assert violations(room) == []

        trainer.keyboard.press("n")
        expect(room.locator("#scene .ask")).to_have_count(3)
        waits(trainer, "migrate waits for you")
        trainer.fill("#worst", "30")
        trainer.select_option("#woken", "yes")
        trainer.get_by_role("button", name="Write it down").click()
        expect(room.locator("#scene table")).to_contain_text("30 %")
        assert kept == [{"careless": {"worst": 30, "woken": "yes"}}]
        assert violations(trainer) == []

        trainer.keyboard.press("Escape")
        trainer.locator("#notes-title").click()
        trainer.keyboard.press("n")
        waits(trainer, "then: result careless")
        trainer.keyboard.press("n")
        expect(room.locator("#scene h2")).to_have_text("careless: reproduced")
        expect(room.locator("#scene table")).to_contain_text("too low")
        assert violations(room) == []

        trainer.keyboard.press("n")
        waits(trainer, "migrate waits for you")
        trainer.keyboard.press("n")
        waits(trainer, "then: result careful")
        trainer.keyboard.press("n")
        trainer.keyboard.press("n")
        waits(trainer, "this is the end")
        expect(room.locator("article")).to_have_count(2)
        expect(room.locator("#scene h2")).to_have_text("Careless and careful")
        assert seen.complaints == also_seen.complaints == []


def test_notes_are_for_whoever_has_the_address(browser: Browser, run_directory: Path) -> None:
    with serving(demo(run_directory, [])) as server, page_of(browser) as (page, _):
        page.goto(f"{server.address}trainer")

        expect(page.locator("#notices")).to_contain_text("needs the address that the terminal")
        expect(page.locator("#notes li")).to_have_count(0)


def test_a_trainer_whom_lab_does_not_hear_is_told(browser: Browser, run_directory: Path) -> None:
    with serving(demo(run_directory, [])) as server, page_of(browser) as (trainer, seen):
        trainer.goto(server.trainer_address)
        expect(trainer.locator("#scene-name")).to_have_text("situation")
        trainer.route("**/act", lambda route: route.abort())
        trainer.route("**/notes", lambda route: route.abort())

        trainer.keyboard.press("n")

        expect(trainer.locator("#notices")).to_contain_text('whether "step" was done is not known')
        trainer.unroute("**/act")
        trainer.keyboard.press("n")
        expect(trainer.locator("#notices")).to_have_text("Lab does not answer.")
        assert seen.other_than_cut_off() == []
