"""Render a folder of manifests, one object a file, in the order of their names."""

from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lab import content


def render(folder: str, **values: Any) -> list[dict[str, Any]]:
    """Return the objects of `manifests/<folder>`; a value that a template misses is an error."""
    directory = content.folder("manifests") / folder
    environment = Environment(  # noqa: S701 - YAML, not HTML
        loader=FileSystemLoader(directory), undefined=StrictUndefined
    )
    names = sorted(path.name for path in directory.glob("*.yaml.j2"))
    return [yaml.safe_load(environment.get_template(name).render(**values)) for name in names]
