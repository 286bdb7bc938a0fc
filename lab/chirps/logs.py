"""What does a line in the log look like? One JSON object, on stderr.

    {"at": "2026-01-31T10:00:00.000+00:00", "level": "warning", "event": "request", ...}

What a call gives as `extra` becomes a field of its own. `release` and `pod` are in every line.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

from lab.chirps.settings import Settings

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonLines(logging.Formatter):
    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._always = {"release": settings.release, "pod": settings.pod}

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **self._always,
        }
        given = vars(record)
        line.update({name: given[name] for name in given.keys() - STANDARD})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up(settings: Settings) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(settings))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("lab.chirps").setLevel(settings.log_level.upper())
