"""Text from outside cannot move a cursor, reorder a line or break an encoding."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.report.clean import clean

DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@given(st.text(st.characters(exclude_categories=[])))
def test_every_text_becomes_one_harmless_line(text):
    found = clean(text)

    assert found.encode().decode() == found
    assert len(found.splitlines()) <= 1
    assert not [each for each in found if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [each for each in found if unicodedata.bidirectional(each) in DIRECTIONS]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\u001b[2J"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
        ("größe 日本", "größe 日本"),
        (None, ""),
        (7, "7"),
    ],
)
def test_harmful_characters_are_shown_as_their_codes(text, shown):
    assert clean(text) == shown


def test_a_long_text_is_cut():
    assert len(clean("x" * 10_000)) == 400
