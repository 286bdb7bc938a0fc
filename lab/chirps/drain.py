"""Is this process on its way out? From SIGTERM on, every answer says so."""

from dataclasses import dataclass


@dataclass(slots=True)
class Drain:
    draining: bool = False
