"""Render a folder of manifests, one object a file, in the order of their names.

What is put in is checked first against the folder's `values.schema.json`, a name and a
format that Helm made usual: https://helm.sh/docs/topics/charts/#schema-files
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lab import content
from lab.errors import InvalidValue

SCHEMA = "values.schema.json"
SUFFIX = ".yaml.j2"


def render(folder: str, **values: Any) -> list[dict[str, Any]]:
    """Return the objects of `manifests/<folder>`; a value that a template misses is an error.

    Raises InvalidValue with every value that the folder's schema does not allow.
    """
    directory = content.folder("manifests") / folder
    check_values(directory, values)
    environment = Environment(  # noqa: S701 - YAML, not HTML
        loader=FileSystemLoader(directory), undefined=StrictUndefined
    )
    names = sorted(path.name for path in directory.glob(f"*{SUFFIX}"))
    return [yaml.safe_load(environment.get_template(name).render(**values)) for name in names]


def read_values(folder: str, name: str) -> dict[str, Any]:
    """Return the values that `manifests/<folder>/profiles/<name>.yaml` holds.

    Raises InvalidValue, with the names there are, for one that is not there.
    """
    directory = content.folder("manifests") / folder / "profiles"
    known = sorted(path.stem for path in directory.glob("*.yaml"))
    if name not in known:
        raise InvalidValue(f"no profile {name!r}; there are {', '.join(known)}")
    values: dict[str, Any] = yaml.safe_load((directory / f"{name}.yaml").read_text())
    return values


def check_values(directory: Path, values: Mapping[str, Any]) -> None:
    schema = directory / SCHEMA
    if not schema.exists():
        return
    # Takes a tenth of a second to import, and `lab status` renders nothing.
    import jsonschema

    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text()))
    mistakes = sorted(_say(error) for error in validator.iter_errors(dict(values)))
    if mistakes:
        raise InvalidValue(f"values for manifests/{directory.name}: {'; '.join(mistakes)}")


def _say(error: Any) -> str:
    where = ".".join(map(str, error.absolute_path))
    return f"{where}: {error.message}" if where else str(error.message)
