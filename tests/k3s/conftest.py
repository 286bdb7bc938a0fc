"""Fixtures: the stand-in, built once, and hosts on which nothing is left running."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.k3s.build import build_standin, go_is_here
from tests.k3s.processes import Host

VERSION = "v1.36.3+k3s1"

Hosts = Callable[[str], Host]


@pytest.fixture(scope="session")
def program() -> Path:
    if not go_is_here():
        pytest.skip("needs a Go to build the stand-in")
    return build_standin(VERSION)


@pytest.fixture
def host(program: Path, tmp_path: Path) -> Iterator[Hosts]:
    """Return what makes a host of a name."""
    yield from _hosts(program, tmp_path)


@pytest.fixture(scope="module")
def hosts_of_module(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    yield from _hosts(program, tmp_path_factory.mktemp("hosts"))


def _hosts(program: Path, directory: Path) -> Iterator[Hosts]:
    made: list[Host] = []

    def make(name: str) -> Host:
        (directory / name).mkdir()
        made.append(Host(program, directory / name, name))
        return made[-1]

    try:
        yield make
    finally:
        for each in made:
            each.close()
