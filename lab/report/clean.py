"""Make text from outside harmless: it may hold anything, and a person's terminal obeys it.

Pod names, messages and headers come from programs that are broken on purpose. Control
characters could move a terminal's cursor, marks of writing direction could reorder a line,
and half a surrogate pair cannot be written at all; each is shown as its code instead.
Markup is no matter here: the page's template escapes it.
"""

import re
from typing import Any

_LONGEST = 400

# C0 and C1 controls, line and paragraph separators, zero-width and direction marks,
# half surrogate pairs, byte order mark.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)


def clean(value: Any, *, longest: int = _LONGEST) -> str:
    """Return `value` as one line of at most `longest` characters; None is the empty text."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
