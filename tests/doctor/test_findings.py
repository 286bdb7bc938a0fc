import dataclasses
import json
import threading
import time

from lab.doctor.findings import Check, Finding, look_at_all
from lab.errors import CommandFailed, ToolMissing


def fine(name: str) -> Check:
    return Check(name, lambda: Finding(name, True, "fine"))


def raising(error: Exception) -> Check:
    def look() -> Finding:
        raise error

    return Check("broken", look)


def test_a_check_that_raises_is_a_failed_finding_and_the_others_are_still_made() -> None:
    first, broken, last = look_at_all(
        [fine("a"), raising(ValueError("odd")), fine("b")], within_s=5
    )

    assert (first.ok, last.ok) == (True, True)
    assert broken == Finding(
        "broken", False, "could not be checked: ValueError('odd')", "lab doctor"
    )


def test_a_command_that_fails_unexpectedly_is_told_on_one_line() -> None:
    (finding,) = look_at_all([raising(CommandFailed("`x` failed:\nno y"))], within_s=5)

    assert finding.detail == "could not be checked: `x` failed: no y"


def test_a_missing_program_does_not_look_like_a_missing_function() -> None:
    error = ToolMissing("program 'nft' was not found")

    (finding,) = look_at_all([raising(error)], within_s=5)

    assert finding.detail == "could not be checked: program 'nft' was not found"
    assert finding.fix == "lab doctor --fix"


def test_a_check_that_hangs_delays_nobody_beyond_the_bound() -> None:
    release = threading.Event()
    hanging = Check("hung", lambda: Finding("hung", release.wait(30), ""))

    started = time.monotonic()
    hung, other = look_at_all([hanging, fine("a")], within_s=0.05)
    took = time.monotonic() - started
    release.set()

    assert (hung.ok, hung.detail, other.ok) == (False, "no answer within 0.05 s", True)
    assert took < 1


def test_a_check_that_is_not_required_stays_so_when_it_fails() -> None:
    check = dataclasses.replace(raising(OSError("no")), required=False)

    (finding,) = look_at_all([check], within_s=5)

    assert (finding.ok, finding.required) == (False, False)


def test_a_finding_travels_as_json() -> None:
    finding = Finding("disk", False, "full", "lab artifacts prune")

    text = json.dumps(dataclasses.asdict(finding))

    assert Finding(**json.loads(text)) == finding
