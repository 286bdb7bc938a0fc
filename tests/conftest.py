"""Fixtures of all tests: directories of a user of their own, and which tiers run."""

import os
from pathlib import Path

import pytest

from lab.paths import Caller, Paths


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--e2e", action="store_true", help="also run what needs root and real nodes")
    parser.addoption("--long", action="store_true", help="also run what takes very long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for marker in ("e2e", "long"):
        if not config.getoption(f"--{marker}"):
            skip = pytest.mark.skip(reason=f"needs --{marker}")
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(skip)


@pytest.fixture
def caller() -> Caller:
    return Caller(os.geteuid(), os.getegid(), Path.home())


@pytest.fixture
def paths(tmp_path: Path, caller: Caller) -> Paths:
    return Paths(caller, tmp_path / "cache", tmp_path / "data", tmp_path / "state")
