"""What does a go.mod say: its Go version and the versions it requires?"""

import re
from dataclasses import dataclass
from pathlib import Path

GoVersion = tuple[int, int, int]

REQUIREMENT = re.compile(r"^(?:require\s+|\t)(?P<path>[^\s()]+)\s+(?P<version>v\S+)(?:\s*//.*)?$")
GO_LINE = re.compile(r"^go\s+(\S+)$", re.MULTILINE)
VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class GoModule:
    go: GoVersion
    requires: dict[str, str]


def parse_go_mod(text: str) -> GoModule:
    """Read `go` and `require` lines; `replace` lines do not matter to the caller."""
    line = GO_LINE.search(text)
    matches = (REQUIREMENT.match(line) for line in text.splitlines())
    requires = {m["path"]: m["version"] for m in matches if m}
    return GoModule(parse_version(line[1]) if line else (1, 0, 0), requires)


def read_go_mod(module: Path) -> GoModule:
    return parse_go_mod((module / "go.mod").read_text())


def parse_version(text: str) -> GoVersion:
    """Return (1, 26, 6) for `go1.26.6`, `1.26.6` or `v1.26.6`; a missing patch counts as 0."""
    match = VERSION.search(text)
    if match is None:
        raise ValueError(f"no version in {text!r}")
    return int(match[1]), int(match[2]), int(match[3] or 0)


def show_version(version: GoVersion) -> str:
    return ".".join(map(str, version))
