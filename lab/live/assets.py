"""The files of the page. Charts and their colours are those of the report."""

import functools
from pathlib import Path

from lab import report

_STATIC = Path(__file__).parent / "static"
_REPORT = Path(report.__file__).parent
_SCRIPT, _STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
_FILES = {
    "uplot.js": (_REPORT / "vendor/uplot/uPlot.iife.min.js", _SCRIPT),
    "uplot.css": (_REPORT / "vendor/uplot/uPlot.min.css", _STYLE),
    "charts.js": (_REPORT / "templates/charts.js", _SCRIPT),
    "report.css": (_REPORT / "templates/report.css", _STYLE),
    "delta.js": (_STATIC / "delta.js", _SCRIPT),
    "wire.js": (_STATIC / "wire.js", _SCRIPT),
    "live.js": (_STATIC / "live.js", _SCRIPT),
    "trainer.js": (_STATIC / "trainer.js", _SCRIPT),
    "live.css": (_STATIC / "live.css", _STYLE),
}
_PAGES = {"/": "live.html", "/trainer": "trainer.html"}


@functools.cache
def page(path: str) -> str:
    return (_STATIC / _PAGES[path]).read_text(encoding="utf-8")


@functools.cache
def asset(name: str) -> tuple[bytes, str] | None:
    """Return content and type, None where there is no such file."""
    if name not in _FILES:
        return None
    path, kind = _FILES[name]
    return path.read_bytes(), kind
