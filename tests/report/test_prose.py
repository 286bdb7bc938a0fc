"""The little Markdown of a guide becomes pieces that are escaped one by one."""

import pytest

from lab.report.prose import Piece, items, paragraphs


def test_lines_of_a_paragraph_are_joined():
    assert paragraphs("a\nb\n\n\nc\n") == ((Piece("a b"),), (Piece("c"),))


def test_code_and_links_are_pieces_of_their_own():
    (found,) = paragraphs("see `x < 1` in [the *docs*](https://a.example/b).")

    assert found == (
        Piece("see "),
        Piece("x < 1", is_code=True),
        Piece(" in "),
        Piece("the *docs*", link="https://a.example/b"),
        Piece("."),
    )


@pytest.mark.parametrize("address", ["http://a", "javascript:alert(1)", "//a", "file:///etc"])
def test_only_the_web_over_tls_is_linked_to(address):
    (found,) = items([f"[a]({address})"])

    assert [piece.link for piece in found] == [""]


@pytest.mark.parametrize("told", [None, 1, {}, [None, 1, " "]])
def test_what_is_no_text_says_nothing(told):
    assert paragraphs(told) == ()
    assert items(told) == ()
