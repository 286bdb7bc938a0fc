"""One stored run for all tests that only read it."""

from pathlib import Path

import pytest

from lab.report import view
from lab.report.view import View
from tests.report import judged


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judged.write_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def shown(run_directory: Path) -> View:
    return view.load(run_directory)
