"""python -m tests.pages.pictures RUN DIRECTORY: the pictures of the README, from a stored run.

Screenshots of the live page, the trainer's page and the report, and a short recording of a
demonstration. RUN is the directory of a run of careless and careful.
"""

import argparse
import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from lab import content
from lab.live.demo import Demo
from lab.live.players import Replayed
from lab.live.server import Server
from lab.report import page as report_page
from lab.report import stored, view
from lab.scenario import loader
from tests.live.serving import serving
from tests.pages.browsing import browsing, drawn, page_of

WIDTH, HEIGHT = 1280, 720
RECORDED = (960, 540)
EVERY_MS = 500


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("directory", type=Path)
    options = parser.parse_args(argv)
    options.directory.mkdir(parents=True, exist_ok=True)
    with browsing() as browser:
        take_report(browser, options.run, options.directory)
        with serving(_demo(options.run)) as server:
            record(browser, server, options.directory)
    return 0


def _demo(run: Path) -> Demo:
    told = stored.load(run)
    loaded = loader.load(content.folder("scenarios"), str(told.run["scenario"]))
    player = Replayed(told, time.monotonic, speed=2)
    return Demo(loaded, ("careless", "careful"), player, keep=lambda _: None)


def take_report(browser: Browser, run: Path, directory: Path) -> None:
    path = directory / "report.html"
    path.write_text(report_page.render(view.load(run)), encoding="utf-8")
    try:
        with page_of(browser, width=WIDTH, height=1100) as (page, _):
            page.goto(path.resolve().as_uri())
            drawn(page)
            save(page, directory / "report.png")
    finally:
        path.unlink()


def record(browser: Browser, server: Server, directory: Path) -> None:
    """Go through a demonstration as a trainer does, and record what the room sees."""
    with (
        page_of(browser, width=WIDTH, height=HEIGHT) as (room, _),
        page_of(browser, width=WIDTH, height=HEIGHT, theme="dark") as (trainer, _),
    ):
        room.goto(server.address)
        trainer.goto(server.trainer_address)
        frames = [shot(room)] * 5
        for place, variant in enumerate(("careless", "careful")):
            trainer.keyboard.press("n")
            expect(trainer.locator("#next")).to_contain_text("waits for you")
            guess(trainer, worst=20 if place == 0 else 5)
            frames += [shot(room)] * 5
            if place == 0:
                save(trainer, directory / "trainer.png")
            trainer.locator("#notes-title").click()
            trainer.keyboard.press("n")
            frames += watch(room, trainer, directory if place == 0 else None)
            trainer.keyboard.press("n")
            expect(room.locator("#scene h2")).to_contain_text(variant)
            frames += [shot(room)] * 6
        trainer.keyboard.press("n")
        expect(room.locator("article")).to_have_count(2)
        room.wait_for_timeout(500)
        frames += [shot(room)] * 10
        save(room, directory / "both.png")
    small = [Image.open(io.BytesIO(each)).convert("RGB").resize(RECORDED) for each in frames]
    small[0].save(
        directory / "demo.webp",
        save_all=True,
        append_images=small[1:],
        duration=EVERY_MS,
        loop=0,
        quality=60,
        method=6,
    )


def guess(trainer: Page, *, worst: int) -> None:
    trainer.fill("#worst", str(worst))
    trainer.select_option("#woken", "yes")
    trainer.get_by_role("button", name="Write it down").click()
    expect(trainer.locator("#kept")).to_have_text("Written down.")


def watch(room: Page, trainer: Page, directory: Path | None) -> list[bytes]:
    """Take pictures until the variant is over; keep one of when most fail."""
    frames: list[bytes] = []
    over = trainer.locator("#next", has_text="then: result")
    while not over.count():
        room.wait_for_timeout(EVERY_MS)
        frames.append(shot(room))
        phase = room.locator("article .phase").inner_text()
        # Half-way down, where what is measured grows along what was foreseen.
        if directory and phase in ("run, second +6", "run, second +7", "run, second +8"):
            save(room, directory / "live.png")
            directory = None
    return frames


def shot(page: Page) -> bytes:
    return page.screenshot()


def save(page: Page, path: Path) -> None:
    """Write a screenshot with few colours: the pages have few."""
    picture = Image.open(io.BytesIO(shot(page))).convert("RGB").quantize(128)
    picture.save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
