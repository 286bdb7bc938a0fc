"""A PostgreSQL 18 of our own, outside of any cluster: started, spoken to, gone without a trace.

`lab.postgres.binaries` finds its programs, `lab.postgres.server` runs one server,
`lab.postgres.tether` is the small program that holds it.
"""

from lab.postgres.binaries import find_binaries
from lab.postgres.server import Server

__all__ = ["Server", "find_binaries"]
