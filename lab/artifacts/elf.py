"""Cut off what only linkers and debuggers read of a program or a shared library.

Some wheels carry their debug data: it is a quarter of what every node would
import. The loader reads segments only, so what lies behind the last one of them
can go, and with it the table of sections, which is what `strip` would need to
be installed for.
"""

import struct
from pathlib import Path

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
# 64 bits, little endian: what both architectures of nodes are.
MAGIC = b"\x7fELF\x02\x01"


def trim(path: Path) -> int:
    """Shorten the file if it is such a program; return how many bytes that saves."""
    with path.open("r+b") as file:
        header = file.read(HEADER.size)
        if not header.startswith(MAGIC) or len(header) < HEADER.size:
            return 0
        fields = list(HEADER.unpack(header))
        table, size, count = int(fields[5]), int(fields[9]), int(fields[10])
        file.seek(table)
        segments = file.read(size * count)
        end = max(HEADER.size, table + len(segments), *ends_of(segments, size))
        saved = path.stat().st_size - end
        if saved > 0:
            # No table of sections any more: its place, the size and number of entries, the names'.
            fields[6] = fields[11] = fields[12] = fields[13] = 0
            file.seek(0)
            file.write(HEADER.pack(*fields))
            file.truncate(end)
    return max(saved, 0)


def ends_of(segments: bytes, size: int) -> list[int]:
    """Return where each segment ends in the file."""
    parsed = (SEGMENT.unpack_from(segments, start) for start in range(0, len(segments), size))
    return [offset + length for _, _, offset, _, _, length, _, _ in parsed]


def trim_below(directory: Path) -> int:
    """Trim every shared library below `directory`; return how many bytes that saves."""
    libraries = [path for path in directory.rglob("*.so*") if path.is_file()]
    return sum(trim(path) for path in libraries if not path.is_symlink())
