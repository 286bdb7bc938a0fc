"""What an earlier run of the same foretells."""

from pathlib import Path

import pytest

from lab.paths import find_caller
from lab.stages.foreseen import earlier
from lab.store import Store
from tests.report import judged, synthetic

CARELESS = judged.SCENARIO.careless
BEGUN = synthetic.history(synthetic.CARELESS).events[0]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    judged.write_run(tmp_path / "half-migrated-rename")
    return Store(tmp_path, owner=find_caller())


def test_the_newest_run_that_was_as_predicted_foretells_the_next(store: Store):
    found = earlier(store, CARELESS, BEGUN)

    assert found is not None
    assert found.source == f"as measured in run half-migrated-rename/{judged.NAME}"
    assert found.at(5.5) > 30
    assert found.at(-5) == 0


@pytest.mark.parametrize(
    "begun",
    [{**BEGUN, "stage": "twin"}, {**BEGUN, "load": {"rate": 7}}, {**BEGUN, "scenario": "s"}],
)
def test_a_run_elsewhere_or_at_another_rate_foretells_nothing(store: Store, begun):
    assert earlier(store, CARELESS, begun) is None


def test_a_run_that_cannot_be_read_is_in_nobodys_way(store: Store):
    (run,) = store.runs()
    run.history("careless").write_text("damaged\n")

    assert earlier(store, CARELESS, BEGUN) is None
