"""What rich would print, as plain text."""

import io

from rich.console import Console, RenderableType


def plain(renderable: RenderableType, *, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, color_system=None).print(renderable)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
