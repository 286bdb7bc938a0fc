from pathlib import Path

import pytest

from lab.errors import HostUnfit
from lab.files import make_dir
from lab.paths import Caller, find_caller, find_paths

UNKNOWN = 54321


def test_a_relative_directory_is_ignored_as_the_specification_says() -> None:
    paths = find_paths({"HOME": "/home/me", "XDG_DATA_HOME": "relative"})

    assert paths.data == Path("/home/me/.local/share/lab")


def test_a_user_whom_the_host_does_not_know_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: UNKNOWN)

    with pytest.raises(HostUnfit, match=f"user {UNKNOWN} is not known"):
        find_caller({"HOME": "/home/me"})


@pytest.mark.parametrize("place", ["file/below", "dangling", "/proc/nowhere"])
def test_where_no_directory_can_be_made_the_host_is_unfit(
    tmp_path: Path, caller: Caller, place: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")

    with pytest.raises((HostUnfit, NotADirectoryError)):
        make_dir(tmp_path / place, owner=caller)
