"""A patch makes the new value of the old one, whatever they are, and is small."""

import json

from hypothesis import given
from hypothesis import strategies as st

from lab.live.delta import apply, diff

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def written(value: object) -> str:
    return json.dumps(value, sort_keys=True)


@given(VALUES, VALUES)
def test_a_patch_makes_the_new_of_the_old(old, new):
    assert written(apply(old, diff(old, new))) == written(new)


@given(VALUES)
def test_nothing_makes_the_same_of_the_same(value):
    assert diff(value, json.loads(written(value))) is None


@given(VALUES, VALUES)
def test_it_survives_being_sent(old, new):
    sent = json.loads(written(diff(old, new)))

    assert written(apply(json.loads(written(old)), sent)) == written(new)


def test_a_list_that_grows_is_sent_by_its_end():
    old = {"counts": list(range(600)), "name": "v1"}
    new = {"counts": [*range(600), 7], "name": "v1"}

    assert diff(old, new) == {"o": {"counts": {"l": 600, "v": [7]}}, "-": []}


def test_true_is_not_one():
    assert diff({"a": 1}, {"a": True}) is not None
