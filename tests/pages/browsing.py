"""Debian's Chromium, driven by Playwright, and what a page must never do in it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.report.browser import find_binary

# A busy host is slow, and nothing here is about how fast a page is.
expect.set_options(timeout=20_000)
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


@contextmanager
def browsing() -> Iterator[Browser]:
    binary = find_binary()
    assert binary, "no browser is installed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True)
class Seen:
    """What a developer would see in red, and every address that was asked for."""

    complaints: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def other_than_cut_off(self) -> list[str]:
        """Return the complaints that do not come of requests which the test itself cut off."""
        return [each for each in self.complaints if "net::ERR_FAILED" not in each]

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: self.addresses.append(request.url))


@contextmanager
def page_of(
    browser: Browser,
    *,
    theme: str = "light",
    width: int = 1280,
    height: int = 720,
    motion: str = "no-preference",
) -> Iterator[tuple[Page, Seen]]:
    """Open a tab of its own, with nothing kept from others."""
    options: dict[str, Any] = {"color_scheme": theme, "reduced_motion": motion}
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    seen, page = Seen(), context.new_page()
    seen.watch(page)
    page.set_default_timeout(20_000)
    try:
        yield page, seen
    finally:
        context.close()


def drawn(page: Page) -> None:
    """Wait until the charts are there. By an attribute: a policy forbids programs from outside."""
    expect(page.locator("html")).to_have_attribute("data-drawn", re.compile("[1-9]"))


def zoomed(page: Page) -> str:
    """Return which seconds are looked at closer, "" for all."""
    found: str = page.evaluate("document.documentElement.dataset.zoom || ''")
    return found


def violations(page: Page) -> list[str]:
    """Return what axe finds that keeps a person out."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']} {[node['html'][:160] for node in each['nodes'][:3]]}"
        for each in found
    ]
