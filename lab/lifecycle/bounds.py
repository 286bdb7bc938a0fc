"""How long may each step take before lab gives up?"""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds: for booted nodes to answer, to be Ready, and for the network to be seen to work."""

    boot_s: float = 60
    nodes_s: float = 120
    network_s: float = 90

    @classmethod
    def of(cls, each_s: float | None) -> Self:
        """Return bounds of `each_s` seconds a step, or the usual ones for None."""
        return cls() if each_s is None else cls(each_s, each_s, each_s)


BOUNDS = Bounds()
