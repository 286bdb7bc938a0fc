"""Fixtures of the real tier: labs in directories of their own, removed whatever happens."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.machines.sysctls import REGISTER
from lab.paths import find_paths
from lab.residue import Difference, Fingerprint, Kind, compare, take_fingerprint
from lab.residue.names import lab_ids
from tests.e2e.home import Home
from tests.e2e.leaks.lab import SearchOnce
from tests.e2e.twin_user import User


@contextmanager
def new_home(*, searched: bool, kind: type[Home] = Home) -> Iterator[Home]:
    """Give a home, take all its labs down at the end, and see that nothing of them is left.

    Where `searched`, each lab is looked through for secrets in wrong places before it goes. That
    takes ten seconds and more, so the many labs that live for one test are left out.
    """
    # Nodes need a real file system, and /tmp may be a tmpfs.
    directory = Path(tempfile.mkdtemp(prefix="e2e-", dir="/var/tmp"))
    home = kind(directory, cache=find_paths().cache.parent)
    before = take_fingerprint(paths=home.paths)
    alone = not REGISTER.exists()
    search = SearchOnce(home)
    if searched:
        home.on_down = search
    try:
        yield home
        home.remove_all()
        assert search.found == []
        assert left_over(home, before, alone=alone and not REGISTER.exists()) == []
        assert not home.paths.data.exists() or not any(home.paths.data.iterdir())
    finally:
        home.remove_all()
        shutil.rmtree(directory)


def left_over(home: Home, before: Fingerprint, *, alone: bool) -> list[Difference]:
    """Return what labs of this home left; other labs of the host may come and go meanwhile."""
    found = compare(before, take_fingerprint(paths=home.paths))
    return [
        each
        for each in found
        if each.is_residue
        and (alone or each.kind is not Kind.SYSCTL)
        and (not ids_in(each) or ids_in(each) & home.ids)
    ]


def ids_in(difference: Difference) -> set[str]:
    text = " ".join(filter(None, (difference.what, difference.before, difference.after)))
    return lab_ids(text, machines=True)


@pytest.fixture
def home() -> Iterator[Home]:
    with new_home(searched=False) as home:
        yield home


@pytest.fixture(scope="module")
def shared_home() -> Iterator[Home]:
    with new_home(searched=True) as home:
        yield home


@pytest.fixture
def user() -> Iterator[User]:
    # Short, because a socket's path may be no longer than 107 bytes.
    directory = Path(f"/tmp/twin-{os.getpid()}-{os.urandom(2).hex()}")
    made = User(directory)
    yield made
    made.end()
    shutil.rmtree(directory, ignore_errors=True)
