"""What has changed between two JSON values? A viewer is sent that, and not all of it again.

A patch is `{"=": value}` for another value, `{"o": {key: patch}, "-": [key]}` for an object,
`{"i": {index: patch}}` for a list of the same length whose items are objects or lists, and
`{"l": n, "v": [...]}` for a list that begins with the same n items. static/delta.js applies them.
"""

from collections.abc import Sequence
from typing import Any

Patch = dict[str, Any]


def diff(old: Any, new: Any) -> Patch | None:
    """Return what makes `new` of `old`, None where nothing does."""
    if isinstance(old, dict) and isinstance(new, dict):
        return _diff_objects(old, new)
    if isinstance(old, list) and isinstance(new, list):
        return _diff_lists(old, new)
    # In Python 1 == True and 1 == 1.0; in JSON they are written differently.
    return None if type(old) is type(new) and old == new else {"=": new}


def _diff_objects(old: dict[str, Any], new: dict[str, Any]) -> Patch | None:
    changed = {
        key: patch
        for key, value in new.items()
        if (patch := diff(old[key], value) if key in old else {"=": value})
    }
    gone = [key for key in old if key not in new]
    return {"o": changed, "-": gone} if changed or gone else None


def _diff_lists(old: Sequence[Any], new: Sequence[Any]) -> Patch | None:
    if old and len(old) == len(new) and all(isinstance(each, dict | list) for each in new):
        patches = (diff(*pair) for pair in zip(old, new, strict=True))
        changed = {str(place): patch for place, patch in enumerate(patches) if patch}
        return {"i": changed} if changed else None
    same = _same(old, new)
    if same == len(old) == len(new):
        return None
    return {"l": same, "v": list(new[same:])}


def _same(old: Sequence[Any], new: Sequence[Any]) -> int:
    """Return with how many equal items both begin."""
    for place, (one, other) in enumerate(zip(old, new, strict=False)):
        if diff(one, other):
            return place
    return min(len(old), len(new))


def apply(old: Any, patch: Patch | None) -> Any:
    """Return the new value; `old` is left as it is."""
    if patch is None:
        return old
    if "=" in patch:
        return patch["="]
    if "o" in patch:
        kept = {key: value for key, value in old.items() if key not in patch["-"]}
        return {**kept, **{key: apply(old.get(key), each) for key, each in patch["o"].items()}}
    if "i" in patch:
        changed = {int(place): each for place, each in patch["i"].items()}
        return [apply(value, changed.get(place)) for place, value in enumerate(old)]
    return [*old[: patch["l"]], *patch["v"]]
