import pytest

from lab.errors import LabError
from lab.lifecycle.health import find_residue
from lab.lifecycle.making import fingerprint_file
from lab.paths import Paths


@pytest.mark.parametrize("content", ["{", "[]", '{"boot": 1}'])
def test_a_damaged_fingerprint_is_named(paths: Paths, content: str) -> None:
    file = fingerprint_file(paths, "lab")
    file.parent.mkdir(parents=True)
    file.write_text(content)

    with pytest.raises(LabError, match="is damaged") as caught:
        find_residue(paths, "lab")

    assert (caught.value.exit_code, caught.value.hint) == (4, f"rm {file}")
