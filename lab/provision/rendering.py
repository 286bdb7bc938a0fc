"""Texts for nodes, from templates; nothing of pyinfra, so that scripts can go by other ways too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


def render_text(template: str, values: Mapping[str, Any]) -> str:
    """Render a template with these values; one that it misses is an error."""
    environment = Environment(  # noqa: S701 - configuration files, not HTML
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template(template).render(values)


def in_turn(*scripts: str) -> str:
    """Return a script that runs these one after the other, until one fails."""
    return "\n".join(f"(\n{script}\n) || exit $?" for script in scripts) + "\n"
