"""What does the measuring client do, and what is asked of the data afterwards?"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

CHIRP_ENDPOINTS = ("list_chirps", "get_chirp", "create_chirp")
"""The endpoints whose SQL names the columns of table chirps."""
ALL_ENDPOINTS = (*CHIRP_ENDPOINTS, "create_user", "create_session", "page")
"""All that users ask for; the page alone needs no database."""

_MIX = MappingProxyType(
    {
        "list_chirps": 24,
        "get_chirp": 12,
        "create_chirp": 12,
        "create_user": 3,
        "create_session": 3,
        "page": 6,
    }
)


@dataclass(frozen=True, slots=True)
class Load:
    """An open loop of `rate` requests a second over both transport streams.

    `mix` holds weights by endpoint. `keepalive_share` of the requests reuse
    `keepalive_connections` connections, each of the others makes its own. The session
    stream comes on top. A stage may replace the rate by its own profile; what was really
    asked for stands in the first line of the history.
    """

    rate: float = 60
    seed: int = 1
    arrival: str = "uniform"
    mix: Mapping[str, float] = field(default_factory=lambda: _MIX)
    keepalive_share: float = 0.25
    keepalive_connections: int = 8
    sessions_per_s: float = 2
    connect_timeout_s: float = 1
    total_timeout_s: float = 3
    in_flight_cap: int = 1000
    hot_authors: tuple[int, ...] = (1, 2, 3, 4, 5)

    def to_json(self) -> dict[str, Any]:
        """Return the fields under the names that the observer knows."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return {**told, "mix": dict(self.mix), "hot_authors": list(self.hot_authors)}


@dataclass(frozen=True, slots=True)
class Invariant:
    """A question to the data after the run: `sql` returns one number, `expected` if all is well."""

    name: str
    sql: str
    expected: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
