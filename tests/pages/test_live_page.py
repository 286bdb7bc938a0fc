"""The live page while a real run goes on: the same numbers, and nobody in its way."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.verdicts import was_late
from tests.pages.browsing import page_of, violations

pytestmark = [pytest.mark.e2e, pytest.mark.rotating("pages"), pytest.mark.timeout(400)]

LAB = (sys.executable, "-m", "lab")
RUN_S = 240_000


@contextmanager
def started(*command: str, runs: Path) -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, "LAB_RUNS": str(runs)}
    with subprocess.Popen(
        [*LAB, *command],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=60)


def address_of(process: "subprocess.Popen[str]") -> str:
    assert process.stderr
    found = re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())
    assert found
    return found[0]


def test_a_real_run_is_shown_while_it_goes_on(browser: Browser, tmp_path: Path) -> None:
    with (
        started("serve", "--port", "0", runs=tmp_path) as serve,
        page_of(browser) as (page, seen),
    ):
        page.goto(address_of(serve))
        expect(page.locator("#notices")).to_contain_text("no run yet")
        with started(
            "scenario", "run", "half-migrated-rename", "--stage", "twin", "--json", runs=tmp_path
        ) as run:
            head = page.locator("article .name")
            expect(head).to_have_text("careless", timeout=RUN_S)
            expect(page.locator(".steps li").first).to_contain_text("migrate")
            expect(page.locator(".tile.hurt").first).to_be_visible(timeout=RUN_S)
            assert violations(page) == []
            with page_of(browser) as (gone, _):
                gone.goto(page.url)
                expect(gone.locator("article .name")).to_have_text("careless")
            expect(page.locator("article")).to_have_count(2, timeout=RUN_S)
            stdout, stderr = run.communicate(timeout=120)

        # It was played once more already, and a browser takes the CPU that the client needs.
        done = subprocess.CompletedProcess(run.args, run.returncode, stdout, stderr)
        assert run.returncode == 0 or was_late(done), stdout + stderr
        told = {each["variant"]: each for each in json.loads(stdout)}
        for name, verdict in told.items():
            article = page.locator(f"article[data-name={name}]")
            expect(article.locator(".outcome")).to_have_text(verdict["outcome"])
            failed = f"{verdict['figures']['failures']:,}".replace(",", "\u00a0")
            expect(article.locator(".headline")).to_contain_text(f"{failed} of")
        assert seen.complaints == []
        assert [each for each in seen.addresses if not each.startswith(page.url)] == []
        serve.send_signal(signal.SIGINT)
        assert serve.wait(timeout=30) == 0


def test_a_demonstration_is_played_here_at_the_pace_of_its_trainer(
    browser: Browser, tmp_path: Path
) -> None:
    command = ("demo", "half-migrated-rename", "--stage", "twin", "--port", "0")
    with started(*command, runs=tmp_path) as process, page_of(browser) as (room, seen):
        address = address_of(process)
        assert process.stderr
        token = process.stderr.readline().strip().rsplit("#", 1)[1]
        trainer = Trainer(address, token)
        room.goto(address)
        expect(room.locator("#scene")).to_contain_text("03:12")
        for variant, waits in (("careless", "migrate"), ("careful", "expand")):
            trainer.do("step")
            trainer.wait_for(f"{waits} waits for you")
            expect(room.locator("article .name")).to_have_text(variant)
            first = second_of(room)
            trainer.do("guess", {"worst": 50, "lasts": 20, "woken": "no"})
            expect(room.locator("#scene table")).to_contain_text("50 %")
            # Traffic goes on while a room thinks, and it sees so.
            wait_until(lambda first=first: second_of(room) > first)
            expect(room.locator("article")).not_to_contain_text("Foreseen")
            trainer.do("step")
            expect(room.locator("article")).to_contain_text("Foreseen")
            trainer.wait_for("then: result")
            trainer.do("step")
            expect(room.locator("#scene h2")).to_contain_text(f"{variant}: ")
        trainer.do("step")
        trainer.wait_for("this is the end")
        expect(room.locator("article")).to_have_count(2)
        expect(room).to_have_title("half-migrated-rename: demo")
        assert seen.complaints == []
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0

    (said,) = tmp_path.glob("half-migrated-rename/*Z/guesses.json")
    assert set(json.loads(said.read_text())) == {"careless", "careful"}
    for verdict in said.parent.glob("*/verdict.json"):
        assert json.loads(verdict.read_text())["outcome"] != "invalid"


def second_of(room: Page) -> int:
    """Return the newest second that the page shows."""
    found = re.search(r"second \+?(-?\d+)", room.locator("article .phase").inner_text())
    assert found
    return int(found[1])


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.5)


class Trainer:
    """Presses the keys of a demonstration, over HTTP."""

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def do(self, what: str, value: object = None) -> None:
        self._ask("act", json.dumps({"do": what, "value": value}).encode())

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + 200
        while text not in (told := str(json.loads(self._ask("notes", None))["next"])):
            assert time.monotonic() < end, told
            time.sleep(0.5)

    def _ask(self, path: str, body: bytes | None) -> bytes:
        request = urllib.request.Request(self._address + path, body, self._headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: bytes = answer.read()
            return found
