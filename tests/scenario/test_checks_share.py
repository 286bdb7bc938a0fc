"""The share that fails while nothing changes is the share of endpoints that fail."""

import pytest

from lab.scenario import reach
from lab.scenario.checks_share import Span, share_fails
from lab.scenario.evidence import Window
from lab.scenario.history import History
from lab.scenario.load import CHIRP_ENDPOINTS
from lab.scenario.moments import committed
from lab.scenario.signature import Signature
from tests.scenario.histories import half_migrated_rename
from tests.scenario.told import Told, four

MISSED = Signature("v1", "42703", CHIRP_ENDPOINTS)


def all_fail(_at: float, _release: str, endpoint: str) -> str | None:
    return "42703" if endpoint in CHIRP_ENDPOINTS else None


def test_all_of_it_fails_even_where_parts_of_the_span_add_up_to_a_rounding_more_than_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def rounded_up(_history: History, _release: str, window: Window) -> float:
        return window.seconds * (1 + 1e-15)

    monkeypatch.setattr(reach, "outage_seconds", rounded_up)
    scenario = half_migrated_rename()
    versions = ((6, 9.0), (7, 30.0))
    told = Told(scenario, scenario.careless, four("v1"), all_fail, versions)
    span = Span("in between", committed(6), committed(7))

    found = share_fails(MISSED, span).judge(told.history())

    assert found.ok
    assert (found.predicted, found.measured) == (1, 1)
