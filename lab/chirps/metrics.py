"""What do the counters say, in Prometheus' text format 0.0.4?

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: `kind` is counter or gauge, `samples` its values by their labels."""

    name: str
    kind: str
    help: str
    samples: Iterable[tuple[Mapping[str, str], float]] = field(default_factory=tuple)


def gauge(name: str, help_: str, value: float | None, **labels: str) -> Family:
    """Return a gauge of one value; of none at all while the value is not known."""
    return Family(name, "gauge", help_, () if value is None else ((labels, value),))


def counter(name: str, help_: str, value: float, **labels: str) -> Family:
    return Family(name, "counter", help_, ((labels, value),))


def render(families: Iterable[Family]) -> str:
    return "".join(_lines(family) for family in families)


def _lines(family: Family) -> str:
    lines = [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
    lines += [
        f"{family.name}{_labels(labels)} {_number(value)}" for labels, value in family.samples
    ]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))
