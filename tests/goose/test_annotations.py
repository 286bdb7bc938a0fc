"""What a file says to lab: each key, and each way to say it wrongly."""

import pytest

from lab.goose import Annotations, BadFile, Break, Phase, Reversible
from lab.goose.annotations import KNOWN, read_annotations


def read(*lines: str) -> Annotations:
    return read_annotations("\n".join(f"-- +lab {line}" for line in lines), file="m.sql")


def mistake(*lines: str) -> str:
    with pytest.raises(BadFile) as caught:
        read(*lines)
    return caught.value.message


def test_every_key_has_a_value_of_its_kind() -> None:
    said = read(
        "phase=contract reversible=loses-data requires-release=3 floor=3",
        "lock-timeout=1.5\tretries=30",
    )

    assert said.phase is Phase.CONTRACT
    assert said.reversible is Reversible.LOSES_DATA
    assert (said.requires_release, said.floor) == (3, 3)
    assert (said.lock_timeout_s, said.retries) == (1.5, 30)
    assert said.words == {
        "phase": "contract",
        "reversible": "loses-data",
        "requires-release": "3",
        "floor": "3",
        "lock-timeout": "1.5",
        "retries": "30",
    }


def test_a_file_that_says_nothing_claims_nothing() -> None:
    assert read_annotations("-- +labels are=not\n  -- +lab not=first\n", file="m.sql") == (
        Annotations()
    )


def test_the_reason_of_a_break_is_the_rest_of_the_line() -> None:
    said = read("phase=rename breaks=v1,v1b because=it reads body=x, and a; b ")

    assert said.breaks == (
        Break("v1", "it reads body=x, and a; b"),
        Break("v1b", "it reads body=x, and a; b"),
    )
    assert said.words["breaks"] == "v1,v1b"
    assert said.words["because"] == "it reads body=x, and a; b"


def test_releases_that_break_for_different_reasons_have_a_line_each() -> None:
    said = read("breaks=v1 because=one", "breaks=v2-naive because=another")

    assert said.breaks == (Break("v1", "one"), Break("v2-naive", "another"))
    assert said.words == {"breaks": "v1,v2-naive", "because": "one; another"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("phase", "'phase' is not key=value"),
        ("=x", "'=x' is not key=value"),
        ("phase=", "'phase=' is not key=value"),
        ("retries=1 retries=1", "retries is given twice"),
        ("fase=expand", f"unknown key 'fase' (known are {', '.join(KNOWN)})"),
        (
            "phase=shrink",
            "phase must be one of base, expand, backfill, relax, contract, rename, control, "
            "not 'shrink'",
        ),
        ("reversible=maybe", "reversible must be one of yes, no, loses-data, not 'maybe'"),
        ("requires-release=v3", "requires-release must be a number from 1, not 'v3'"),
        ("floor=0", "floor must be a number from 1, not '0'"),
        ("retries=-1", "retries must be a number from 0, not '-1'"),
        ("retries=\u0663", "retries must be a number from 0, not '\u0663'"),
        (
            "lock-timeout=0",
            "lock-timeout must be a number of seconds above 0, as 1 or 0.5, not '0'",
        ),
        (
            "lock-timeout=1s",
            "lock-timeout must be a number of seconds above 0, as 1 or 0.5, not '1s'",
        ),
        ("repairs=v1,,", "repairs must be names of releases, as v1 or v1,v2, not 'v1,,'"),
        ("breaks=v1", "breaks needs because=REASON behind it on its line"),
        ("breaks=v1 because=  ", "breaks needs because=REASON behind it on its line"),
        ("because=x breaks=v1", "because needs breaks=RELEASE before it on its line"),
        ("breaks=v1,,v2 because=x", "breaks must name releases, as v1 or v1,v2, not ''"),
        ("breaks=v1,v1 because=x", "breaks=v1 is given twice"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(line: str, reason: str) -> None:
    assert mistake("phase=base" if "phase" not in line else "floor=1", line) == (
        f"m.sql line 2: {reason}"
    )


def test_every_mistake_is_named() -> None:
    assert mistake("floor=none", "phase=expand", "breaks=v1", "phase=expand") == (
        "m.sql line 1: floor must be a number from 1, not 'none'; "
        "line 3: breaks needs because=REASON behind it on its line; "
        "line 4: phase is given twice"
    )
