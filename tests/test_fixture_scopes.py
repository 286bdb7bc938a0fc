"""What a folder's tests share ends with them."""

from pathlib import Path

FOLDER = Path(__file__).parent


def test_a_fixture_of_a_package_stands_in_one() -> None:
    # Elsewhere its scope is the whole session: a lab would stay up beside all tests that follow.
    shared = [path for path in FOLDER.rglob("*.py") if 'scope="package"' in path.read_text()]
    shared.remove(Path(__file__))

    assert shared
    assert [str(path) for path in shared if not (path.parent / "__init__.py").exists()] == []
