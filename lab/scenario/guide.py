"""What a learner gets to read: the page, three hints, the lesson, and where it happened before.

Markdown with fixed headings, so that practice can show one part and keep the others back:

    # Title
    ## Page          the only text that is shown before anything was tried
    ## Hints         a numbered list of three, in the order of what they give away
    ## Lesson        what to take home
    ## Safe          a list: what may be done while it happens
    ## Unsafe        a list: what makes it worse
    ## Evidence      a list, each with a link
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

HINTS = 3
SECTIONS = ("Page", "Hints", "Lesson", "Safe", "Unsafe", "Evidence")
_ITEM = re.compile(r"^(?:[-*]|\d+\.)\s+", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]+\]\((https?://[^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Guide:
    """The texts of a scenario, as Markdown."""

    title: str
    page: str
    hints: tuple[str, ...]
    lesson: str
    safe: tuple[str, ...]
    unsafe: tuple[str, ...]
    evidence: tuple[str, ...]


def parse(text: str) -> tuple[Guide, tuple[str, ...]]:
    """Return the guide and everything that is wrong with it, as sentences."""
    title, sections = _split(text)
    guide = Guide(
        title=title,
        page=sections.get("Page", ""),
        hints=_items(sections.get("Hints", "")),
        lesson=sections.get("Lesson", ""),
        safe=_items(sections.get("Safe", "")),
        unsafe=_items(sections.get("Unsafe", "")),
        evidence=_items(sections.get("Evidence", "")),
    )
    return guide, (*_missing(title, sections), *_wrong(guide, sections))


def _split(text: str) -> tuple[str, Mapping[str, str]]:
    head, *parts = re.split(r"^## +", text, flags=re.MULTILINE)
    title = re.match(r"# +(.+)", head.strip())
    sections = {}
    for part in parts:
        heading, _, body = part.partition("\n")
        sections[heading.strip()] = body.strip()
    return title[1].strip() if title else "", sections


def _items(section: str) -> tuple[str, ...]:
    """Return the items of a list; an item may go on over several lines."""
    return tuple(" ".join(item.split()) for item in _ITEM.split(section)[1:])


def _missing(title: str, sections: Mapping[str, str]) -> tuple[str, ...]:
    found = [] if title else ["guide.md has no title (a line '# ...')"]
    found += [f"guide.md has no section {name!r}" for name in SECTIONS if name not in sections]
    found += [
        f"section {name!r} of guide.md is empty" for name in SECTIONS if sections.get(name) == ""
    ]
    found += [
        f"guide.md has a section {name!r} that nobody reads"
        for name in sections
        if name not in SECTIONS
    ]
    return tuple(found)


def _wrong(guide: Guide, sections: Mapping[str, str]) -> tuple[str, ...]:
    found = []
    if sections.get("Hints") and len(guide.hints) != HINTS:
        found.append(f"guide.md has {len(guide.hints)} hints, it must have {HINTS}")
    for name, items in (
        ("Safe", guide.safe),
        ("Unsafe", guide.unsafe),
        ("Evidence", guide.evidence),
    ):
        if sections.get(name) and not items:
            found.append(f"section {name!r} of guide.md is no list")
    found += [
        f"evidence without a link in guide.md: {item[:60]!r}"
        for item in guide.evidence
        if not _LINK.search(item)
    ]
    return tuple(found)
