"""What is told while migrations run? One JSON object for each step."""

from collections.abc import Callable, Mapping
from typing import Any

Event = Mapping[str, Any]
"""`event` says which: table_created, applying, applied, reverting, reverted, failed, up_to_date,
lock_wait, locked or retrying."""
OnEvent = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
