"""What does a file say about itself to lab, in comments that goose ignores?

`-- +lab phase=expand reversible=no`: words of the form key=value, in any number of lines.
"""

from collections.abc import Mapping
from types import MappingProxyType

from lab.goose.errors import BadFile
from lab.goose.parse import lines_of

MARK = "-- +lab"


def read_annotations(text: str, *, file: str) -> Mapping[str, str]:
    """Raises BadFile with the line of a word without `=`, or of a key that is there twice."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines_of(text), start=1):
        mark, _, rest = line.partition(MARK)
        if mark or not rest.startswith((" ", "\t")):
            continue
        for word in rest.split():
            key, equals, value = word.partition("=")
            if not (key and equals and value):
                raise BadFile(f"{word!r} is not key=value", file=file, line=number)
            if key in found:
                raise BadFile(f"{key} is given twice", file=file, line=number)
            found[key] = value
    return MappingProxyType(found)
