"""What is vendored is what its note says."""

import hashlib
import re
from pathlib import Path

import lab.report

VENDOR = Path(lab.report.__file__).parent / "vendor"


def test_vendored_files_are_unchanged_and_all_noted() -> None:
    note = (VENDOR / "uplot" / "VERSION").read_text()
    noted = dict(reversed(line) for line in re.findall(r"^([0-9a-f]{64})  (\S+)$", note, re.M))

    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (VENDOR / "uplot").iterdir()
        if path.name != "VERSION"
    }

    assert found == noted
    assert "LICENSE" in found
