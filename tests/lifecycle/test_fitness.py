from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import HostUnfit
from lab.lifecycle import fitness
from lab.paths import Paths


@pytest.mark.parametrize("name", ["a:b", "a,b", "a\\b"])
def test_a_directory_that_mount_cannot_be_told_of_is_refused_by_name(
    paths: Paths, name: str
) -> None:
    with pytest.raises(HostUnfit, match="cannot lie below"):
        fitness.require_plain_paths(replace(paths, data=Path("/home") / name))


def test_an_ordinary_directory_is_fine(paths: Paths) -> None:
    fitness.require_plain_paths(replace(paths, data=Path("/home/a b-c.d")))
