"""The live page while a real run goes on: the same numbers, and nobody in its way."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

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
            expect(page.locator(".steps .waiting")).to_contain_text("migrate", timeout=60_000)
            expect(page.locator(".tile.hurt").first).to_be_visible(timeout=RUN_S)
            assert violations(page) == []
            with page_of(browser) as (gone, _):
                gone.goto(page.url)
                expect(gone.locator("article .name")).to_have_text("careless")
            expect(page.locator("article")).to_have_count(2, timeout=RUN_S)
            stdout, stderr = run.communicate(timeout=120)

        assert run.returncode in (0, 1), stderr
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
