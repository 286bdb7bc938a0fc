"""Find the content folders: in the wheel below lab/_content, in a checkout beside the package."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """Return the folder `manifests`, `inventories` or `scenarios`."""
    packed = _PACKAGE / "_content" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name
