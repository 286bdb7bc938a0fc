"""Where the page of a run is written to, and where it is not."""

from pathlib import Path

import pytest

from lab.errors import InvalidValue
from lab.paths import Caller
from lab.report.files import PAGE, write_page


def test_the_page_lies_beside_the_histories(run_directory: Path, caller: Caller) -> None:
    assert write_page(run_directory, owner=caller) == run_directory / PAGE


def test_a_device_or_a_link_is_not_replaced_by_a_page(
    run_directory: Path, caller: Caller, tmp_path: Path
) -> None:
    link = tmp_path / "link.html"
    link.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(InvalidValue, match="is there and no regular file"):
        write_page(run_directory, owner=caller, target=link)

    assert link.is_symlink()


def test_a_directory_that_is_not_there_is_told(
    run_directory: Path, caller: Caller, tmp_path: Path
) -> None:
    with pytest.raises(InvalidValue, match="there is no directory"):
        write_page(run_directory, owner=caller, target=tmp_path / "missing" / "page.html")
