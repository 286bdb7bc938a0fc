"""Fixtures of all tests: directories of a user of their own, and which tiers run."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from lab.paths import Caller, Paths
from tests import rotation

# A time says something of the machine and nothing of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--e2e", action="store_true", help="also run what needs root and real nodes")
    parser.addoption("--long", action="store_true", help="also run what takes very long")
    parser.addoption(
        "--rotation",
        metavar="PART",
        help=f"which part of the real tier to run beside the rest: {', '.join(rotation.PARTS)}, or "
        "all (the one whose turn it is with the commit that is checked out)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        mark_with_database(item)
    for marker in ("e2e", "long"):
        if not config.getoption(f"--{marker}"):
            skip = pytest.mark.skip(reason=f"needs --{marker}")
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(skip)
    skip_other_parts(config, items)


def mark_with_database(item: pytest.Item) -> None:
    """Of the real tier is every test with a real PostgreSQL, wherever it stands."""
    if "postgres" not in getattr(item, "fixturenames", ()):
        return
    item.add_marker("e2e")
    if part := rotation.OF_ROOMS.get(item.path.parent.name):
        item.add_marker(pytest.mark.rotating(part))


def skip_other_parts(config: pytest.Config, items: list[pytest.Item]) -> None:
    try:
        parts = rotation.chosen(
            config.getoption("--rotation"), rotation.commit_of(Path(__file__).parent)
        )
    except ValueError as exc:
        raise pytest.UsageError(str(exc)) from exc
    skip = pytest.mark.skip(reason=f"it is the turn of {', '.join(parts)}; see --rotation")
    for item in items:
        mark = item.get_closest_marker("rotating")
        if mark and mark.args[0] not in parts and not is_asked_for(config, item):
            item.add_marker(skip)


def is_asked_for(config: pytest.Config, item: pytest.Item) -> bool:
    """Whether the test's file was named, as in `pytest --e2e tests/e2e/test_own_nodes.py`."""
    return any(item.path.name in argument for argument in config.args)


@pytest.fixture
def caller() -> Caller:
    return Caller(os.geteuid(), os.getegid(), Path.home())


@pytest.fixture
def paths(tmp_path: Path, caller: Caller) -> Paths:
    return Paths(caller, tmp_path / "cache", tmp_path / "data", tmp_path / "state")
