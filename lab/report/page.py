"""One self-contained HTML file of a run: opened from a disk, it asks nobody for anything.

The policy in its head forbids every connection and every script but those that belong
to the page, known by their hashes. What comes from the run is text: the template escapes it,
and the numbers of the charts are JSON in which no markup can begin or end. The same view
gives the same file, byte for byte: no clock, no chance, nothing from the place it lies at.
"""

import base64
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import jinja2

from lab.report import series
from lab.report.glance import glance
from lab.report.view import VariantView, View

_HERE = Path(__file__).parent
_TEMPLATES, _VENDOR = _HERE / "templates", _HERE / "vendor" / "uplot"


def render(view: View, *, plays: bool = False) -> str:
    """Return the page of `view`; with `plays` the run can be played again in it."""
    names = ("charts.js", "report.js", "player.js") if plays else ("charts.js", "report.js")
    scripts = (_read(_VENDOR / "uPlot.iife.min.js"), *(_read(_TEMPLATES / each) for each in names))
    styles = (_read(_VENDOR / "uPlot.min.css"), _read(_TEMPLATES / "report.css"))
    return _template().render(
        glances=embed([_glances(each) for each in view.variants]) if plays else "",
        view=view,
        policy=_policy(scripts, styles),
        scripts=scripts,
        styles=styles,
        series=embed(series.to_json(view)),
        labels=_FIGURES,
        most_signatures=_MOST_SIGNATURES,
    )


_MOST_SIGNATURES = 20
_FIGURES = (
    ("requests", "Requests per second, by the release that answered"),
    ("latency", "Latency from intended start, per second"),
    ("pods", "Pods by release and readiness"),
    ("lanes", "Pods by node; hollow: not ready"),
    ("schema", "Schema version and compat floor of the database"),
    ("database", "Database sessions: connections, and those blocked by a lock"),
    ("timeline", "What happened when"),
)


def _glances(variant: VariantView) -> list[list[tuple[str, str, str, str]]]:
    """Return the large numbers of every second, in words: whoever plays the page computes none."""
    return [
        [(each.label, each.value, each.remark, each.tone) for each in glance(variant, place)]
        for place in range(len(variant.axis))
    ]


def embed(value: Any) -> str:
    """Return `value` as JSON that may stand in a script element.

    `</script>` would end the element and `<!--` begin a comment; both begin with `<`.
    Everything that is not ASCII, U+2028 among it, is written as its code.
    """
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _policy(scripts: tuple[str, ...], styles: tuple[str, ...]) -> str:
    script, style = (" ".join(map(_hash, each)) for each in (scripts, styles))
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _read(path: Path) -> str:
    # A browser hashes what stands between the tags with its line ends made one kind.
    return path.read_text(encoding="utf-8").replace("\r\n", "\n")


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")
