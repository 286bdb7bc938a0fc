"""Does a text name a lab: by its id, or by one of its directories?"""

import re
from collections.abc import Collection

# lab-k7q2 is a namespace, a bridge, a cgroup, a unit; vb-k7q2-n1 is a node's link.
_NAMED = re.compile(r"(?<![a-z0-9])(?:lab|vb)-([a-z0-9]{4})(?![a-z0-9])")
# k7q2-n1 is a machine. Where machines are not meant, such a name may be somebody else's.
_MACHINE = re.compile(r"(?<![a-z0-9])([a-z0-9]{4})-n[0-9]{1,2}(?![a-z0-9])")


def lab_ids(text: str, *, machines: bool) -> set[str]:
    """Return the ids of labs in `text`; `machines` says that names of machines count."""
    # systemd writes a dash within a name as \x2d.
    plain = text.replace("\\x2d", "-")
    found = set(_NAMED.findall(plain))
    return found | set(_MACHINE.findall(plain)) if machines else found


def names_place(text: str, places: Collection[str]) -> bool:
    """Return whether one of the directories, or something below it, is a word of `text`."""
    return any(re.search(rf"(?<![\w.-]){re.escape(place)}(?![\w.-])", text) for place in places)
