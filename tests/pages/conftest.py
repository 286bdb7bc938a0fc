"""One browser for all pages, and one stored run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.pages.browsing import browsing
from tests.report import judged


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with browsing() as started:
        yield started


@pytest.fixture(scope="package")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judged.write_run(tmp_path_factory.mktemp("runs"))
