import json
import logging

from lab.chirps import settings
from lab.chirps.logs import JsonLines

LINES = JsonLines(settings.read({"CHIRPS_RELEASE": "v1", "CHIRPS_POD": "pod-1"}))


def line(**given: object) -> dict[str, object]:
    text = LINES.format(logging.makeLogRecord({"levelname": "INFO", "msg": "hello", **given}))
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    return found


def test_a_line_says_when_what_and_who() -> None:
    found = line(created=0)

    assert found == {
        "at": "1970-01-01T00:00:00.000+00:00",
        "level": "info",
        "event": "hello",
        "release": "v1",
        "pod": "pod-1",
    }


def test_what_a_call_adds_is_a_field_of_its_own() -> None:
    assert line(stage="draining", ms=1.5).items() >= {"stage": "draining", "ms": 1.5}.items()


def test_an_exception_stays_on_one_line() -> None:
    error = ValueError("line\nbreak")

    found = line(exc_info=(type(error), error, None))

    assert "ValueError: line\nbreak" in str(found["trace"])


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert line(what=ValueError("odd"))["what"] == "odd"
