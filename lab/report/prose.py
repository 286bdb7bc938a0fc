"""The texts of a guide: a little Markdown as pieces that a template can escape one by one.

Paragraphs, `code` and [links](https://...) are understood, all else stays as it is written.
A link that does not lead to an https address is text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lab.report.clean import clean

_LONGEST = 4_000
_PIECE = re.compile(r"`(?P<code>[^`]+)`|\[(?P<text>[^\]]+)\]\((?P<link>https://[^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; `link` is "" or an https address."""

    text: str
    is_code: bool = False
    link: str = ""


Paragraph = tuple[Piece, ...]


def paragraphs(markdown: Any) -> tuple[Paragraph, ...]:
    """Return the paragraphs of a text; none of what is no text."""
    if not isinstance(markdown, str):
        return ()
    blocks = re.split(r"\n\s*\n", markdown)
    return tuple(_pieces(" ".join(block.split())) for block in blocks if block.strip())


def items(listed: Any) -> tuple[Paragraph, ...]:
    """Return each text of a list as one paragraph; none of what is no list."""
    if not isinstance(listed, list | tuple):
        return ()
    return tuple(_pieces(each) for each in listed if isinstance(each, str) and each.strip())


def _pieces(text: str) -> Paragraph:
    return tuple(_cut(text[:_LONGEST]))


def _cut(text: str) -> Iterator[Piece]:
    end = 0
    for found in _PIECE.finditer(text):
        if found.start() > end:
            yield Piece(clean(text[end : found.start()], longest=_LONGEST))
        if found["code"]:
            yield Piece(clean(found["code"]), is_code=True)
        else:
            yield Piece(clean(found["text"]), link=clean(found["link"]))
        end = found.end()
    if end < len(text):
        yield Piece(clean(text[end:], longest=_LONGEST))
