"""One browser for all pages, and one stored run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.pages.browsing import browsing
from tests.report import judged


# While Playwright is there, so is its event loop, and no test of another folder may run one. A
# module is the widest that surely ends before them: these folders are no packages.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as started:
        yield started


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judged.write_run(tmp_path_factory.mktemp("runs"))
